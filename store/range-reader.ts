import { sleep } from '../core/retry.ts';
import type { LogRecord, OwnedPartition } from '../eventlog/port.ts';

/**
 * A range, at most. An insert costs ClickHouse 30 ms and merges before its first row, so ranges are large where much
 * comes; but below 10 MB, from where a part has files of its own for each of a hundred columns and costs twice as much.
 */
export const RANGE = { maxRecords: 3_000, maxBytes: 7 * 1024 * 1024 };

const IDLE_MS = 1_000;
/** How often a range that waits takes what has come. */
const TOP_UP_MS = 20;
/** So many records within a linger or an insert are a flood. */
const FLOOD_RECORDS = 1_000;
/** Longest wait for company, however long the range before took. */
const MAX_LINGER_MS = 1_000;

/** Reads a partition in ranges that suit what comes and what the store can take. */
export class RangeReader {
  readonly #partition: OwnedPartition;
  readonly #lingerMs: number;
  /** How long the range before took. */
  #lastMs = 0;
  #isBusy = false;

  /** `lingerMs`: how long a small range waits for more; 0: not at all. */
  constructor(partition: OwnedPartition, lingerMs: number) {
    this.#partition = partition;
    this.#lingerMs = lingerMs;
  }

  /**
   * The next records: what is there, and where that is less than a range, what comes within the linger and while the
   * range before is still under way. In a flood an insert may take half of the time: fewer and larger ones leave the
   * processors more of the machine. Empty where nothing came for a second.
   */
  async next(from: bigint): Promise<LogRecord[]> {
    const { signal } = this.#partition;
    const records = await this.#partition.read(from, { ...RANGE, waitMs: IDLE_MS });
    if (records.length === 0 || this.#lingerMs === 0) return records;
    const begun = performance.now();
    let bytes = bytesOf(records);
    while (
      !signal.aborted &&
      (this.#isBusy || performance.now() < begun + this.#patienceMs(records.length))
    ) {
      const room = { maxRecords: RANGE.maxRecords - records.length, maxBytes: RANGE.maxBytes - bytes };
      if (room.maxRecords <= 0 || room.maxBytes <= 0) break;
      await sleep(Math.min(this.#lingerMs, TOP_UP_MS), signal);
      if (signal.aborted) break;
      const more = await this.#partition.read(records.at(-1)!.offset + 1n, { ...room, waitMs: 0 });
      bytes += bytesOf(more);
      for (const record of more) records.push(record);
    }
    return records;
  }

  /** Brings a range into the store while the next one is read. */
  async during(work: () => Promise<void>): Promise<void> {
    const begun = performance.now();
    this.#isBusy = true;
    try {
      await work();
    } finally {
      this.#isBusy = false;
      this.#lastMs = performance.now() - begun;
    }
  }

  #patienceMs(records: number): number {
    return records < FLOOD_RECORDS
      ? this.#lingerMs
      : Math.max(this.#lingerMs, Math.min(2 * this.#lastMs, MAX_LINGER_MS));
  }
}

function bytesOf(records: readonly LogRecord[]): number {
  let bytes = 0;
  for (const { value } of records) bytes += value?.byteLength ?? 0;
  return bytes;
}
