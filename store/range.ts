import type { LogRecord } from '../eventlog/port.ts';
import { HEADER } from '../schemas/record.ts';
import type { Refusal } from './refusal.ts';
import { type Line, type Place, rawOffsetOf, recordedMonth, type Table } from './rows.ts';

/** Bounds of one insert: one block of one table partition. */
export const MAX_ROWS = 10_000;
export const MAX_BYTES = 64 * 1024 * 1024;

/** What the group keeps beside its offset. */
export interface Mark {
  /** Last offset of the range that may be in the table already; null where none is open. */
  readonly pending: bigint | null;
  /** Highest raw offset so far, -1 before the first. */
  readonly raw: bigint;
}

export const NO_MARK: Mark = { pending: null, raw: -1n };

export function formatMark(mark: Mark): string {
  return JSON.stringify({
    ...(mark.pending !== null && { pending: mark.pending.toString() }),
    raw: mark.raw.toString(),
  });
}

/** The mark in a position's metadata; null where the text is not one. */
export function parseMark(text: string): Mark | null {
  if (text === '') return NO_MARK;
  try {
    const value = JSON.parse(text) as { pending?: string; raw?: string };
    return {
      pending: value.pending === undefined ? null : BigInt(value.pending),
      raw: BigInt(value.raw ?? '-1'),
    };
  } catch {
    return null;
  }
}

/** How many of the records, from the first on, make one range: one recorded month, within the bounds, at least one. */
export function rangeLength(
  records: readonly LogRecord[],
  limit: { maxRows: number; maxBytes: number } = { maxRows: MAX_ROWS, maxBytes: MAX_BYTES },
): number {
  const first = records[0];
  if (first === undefined) return 0;
  const month = recordedMonth(first.appendedAtMs);
  const monthEndMs = Date.UTC(Math.floor(month / 100), month % 100, 1);
  let bytes = 0;
  let length = 0;
  for (const record of records) {
    bytes += (record.value?.length ?? 0) + LINE_OVERHEAD_BYTES;
    if (
      length > 0 &&
      (length >= limit.maxRows || bytes > limit.maxBytes || record.appendedAtMs >= monthEndMs)
    ) {
      break;
    }
    length++;
  }
  return length;
}

/** More than the coordinates of a line take. */
const LINE_OVERHEAD_BYTES = 256;

/** A row of the table that is inserted exactly once. */
export interface MainRow {
  readonly record: LogRecord;
  readonly json: Buffer;
  /** Of a replayed dead letter, the raw offset: its row may have come by an earlier replay. Else null. */
  readonly replayed: bigint | null;
}

/** The rows of a range, by table, in the log's order. */
export interface RangeRows {
  readonly main: readonly MainRow[];
  readonly extras: readonly { readonly record: LogRecord; readonly table: Table; readonly json: Buffer }[];
  readonly refused: readonly Refusal[];
  /** Highest raw offset after the range. */
  readonly raw: bigint;
}

/**
 * Sorts a range's records into rows. A calls row whose raw offset is not above all before it was made from a raw
 * record that has had its row: it is refused, whatever wrote it. (A replay of a refused row comes late by nature: it is
 * let through, and marked.)
 */
export function rowsOf(
  records: readonly LogRecord[],
  place: Place,
  main: Table,
  toLine: (record: LogRecord, place: Place) => Line,
  rawBefore: bigint,
): RangeRows {
  const rows: MainRow[] = [];
  const extras: { record: LogRecord; table: Table; json: Buffer }[] = [];
  const refused: Refusal[] = [];
  let raw = rawBefore;
  for (const record of records) {
    const line = toLine(record, place);
    if ('refused' in line) {
      refused.push({ record, code: 'TM_STORE_REFUSED', message: line.refused });
      continue;
    }
    if (line.table !== main) {
      extras.push({ record, table: line.table, json: line.json });
      continue;
    }
    const rawOffset = main === 'calls' ? rawOffsetOf(record.value) : null;
    const isReplay = record.headers[HEADER.replayOf] !== undefined;
    if (rawOffset !== null && !isReplay) {
      if (rawOffset <= raw) {
        refused.push({
          record,
          code: 'TM_STORE_ORDER',
          message: `raw offset ${rawOffset} is not above ${raw}, which is in the table`,
        });
        continue;
      }
      raw = rawOffset;
    }
    rows.push({ record, json: line.json, replayed: isReplay ? rawOffset : null });
  }
  return { main: rows, extras, refused, raw };
}
