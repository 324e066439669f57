import type { RawRecord } from '../../schemas/raw-record.ts';

/** A record as a spool keeps it. */
export interface StoredRecord {
  /** Place in the order of sending. */
  readonly id: number;
  /** The lane's row of this spool; null for a record that was forwarded. */
  readonly lane: number | null;
  readonly record: RawRecord;
}
export type NewStored = Omit<StoredRecord, 'id'>;

/** A lane that this spool numbers, or numbered before and has records of. */
export interface LaneRow {
  readonly id: number;
  readonly instance: string;
  readonly epoch: string;
  readonly lane: number;
  /** The last number given. */
  last: number;
  /** Events dropped since the epoch began, and how many of them a `gap` in the spool tells of. */
  dropped: number;
  gapped: number;
  /** Its `end` is in the spool (or it isn't ours to end). */
  ended: boolean;
}

/** A call that was open at a flush: what it becomes if nobody ends it. */
export interface JournalRow {
  readonly lane: number;
  readonly seq: number;
  readonly record: RawRecord;
}

/** One transaction: all of it or nothing. */
export interface Commit {
  readonly lanes: readonly LaneRow[];
  readonly records: readonly NewStored[];
  readonly journal: readonly JournalRow[];
  readonly unjournal: readonly { readonly lane: number; readonly seq: number }[];
}

/** Where a spool keeps what it has. Calls are synchronous and throw where the disk fails; then nothing has changed. */
export interface SpoolStore {
  /** False where a killed process loses it. */
  readonly durable: boolean;
  /** The spool's id, part of its records' coordinates. */
  readonly instance: string;
  commit(commit: Commit): void;
  lanes(): LaneRow[];
  /** The first of `count` row ids for lanes that nobody else gets. */
  freeLaneIds(count: number): number;
  journal(): JournalRow[];
  /** The oldest records after an id, in order; at least one where there is one. */
  read(afterId: number, maxRecords: number, maxBytes: number): StoredRecord[];
  /** Drops the records with ids in [first, last]. */
  remove(first: number, last: number): void;
  /** Records kept, and the bytes that they and the journal take. */
  readonly size: { readonly records: number; readonly bytes: number };
  /** Makes everything committed survive power loss. */
  sync(): void;
  /** Releases the folder. */
  close(): void;
}

/** What a record takes beyond its value: coordinates, row, page slack. */
const ROW_BYTES = 320;

export function storedBytes({ value }: RawRecord): number {
  return ROW_BYTES + (typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength);
}
