import { messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { sleep } from '../../core/retry.ts';
import type { EventLog, LogRecord } from '../../eventlog/port.ts';
import { type CallSummary, CallSummarySchema } from '../../schemas/api.ts';
import { CALLS_RECORD } from '../../schemas/calls-topic.ts';
import { MeteredCallRecordSchema } from '../../schemas/metered-call.ts';
import { partitionsAt } from '../../schemas/partition.ts';
import { HEADER } from '../../schemas/record.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { type Positions, sameStart } from './positions.ts';

/** How often the log is asked for more while somebody watches. */
const POLL_MS = 200;
/** Calls that a watcher who is slow may be behind; the oldest beyond are left out, and it is told how many. */
const MAX_BEHIND = 1_000;
/** Records of a partition that a watcher who comes back is given after. */
const MAX_CATCH_UP = 2_000;

const SUMMARY_FIELDS = Object.keys(CallSummarySchema.shape);

/** What came since the last time, oldest first. */
export interface Page {
  readonly calls: readonly CallSummary[];
  /** Calls before these that were left out. At least: of a time away, records are counted, whatever they are. */
  readonly missed: number;
  /** Where to go on from later. */
  readonly positions: Positions;
}

/** Somebody who watches. */
export interface Watch {
  /** Resolves with what has come, or empty after `waitMs`; null once the watch is closed. */
  next(waitMs: number): Promise<Page | null>;
  close(): void;
}

interface Watcher {
  readonly accepts: (call: CallSummary) => boolean;
  readonly calls: CallSummary[];
  readonly positions: Map<number, bigint>;
  missed: number;
  closed: boolean;
  wake: () => void;
}

/** What is asked of a log. */
export type TailedLog = Pick<EventLog, 'schedule' | 'watermarks' | 'scan'>;

/**
 * Calls as they land in `mcp.calls.v1`, for people who watch: one reader for all of them, outside of any group, and
 * only while there is one. What a call holds beyond its summary is not given out.
 */
export class CallsTail {
  readonly #eventLog: TailedLog;
  readonly #log: Log;
  readonly #watchers = new Set<Watcher>();
  readonly #stop = new AbortController();
  /** Next offset by partition; none where nobody watches. */
  #positions = new Map<number, bigint>();
  #reading: Promise<void> | null = null;
  #starting: Promise<void> | null = null;

  constructor(eventLog: TailedLog, log: Log) {
    this.#eventLog = eventLog;
    this.#log = log;
  }

  get watching(): number {
    return this.#watchers.size;
  }

  /**
   * From now on, or from where an earlier watch ended.
   * @throws ToolmeterError TM_LOG_UNAVAILABLE
   */
  async watch(accepts: (call: CallSummary) => boolean, after: Positions | null): Promise<Watch> {
    const watcher: Watcher = {
      accepts,
      calls: [],
      positions: new Map(),
      missed: 0,
      closed: this.#stop.signal.aborted,
      wake: () => {},
    };
    if (this.#watchers.size === 0 && this.#reading === null) {
      this.#starting ??= this.#begin().finally(() => {
        this.#starting = null;
      });
      await this.#starting;
    }
    if (after !== null) await this.#catchUp(watcher, after);
    // In the same turn as the last look at the reader's positions: nothing falls between.
    this.#watchers.add(watcher);
    for (const [partition, offset] of this.#positions) watcher.positions.set(partition, offset);
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return {
      next: (waitMs) => this.#next(watcher, waitMs),
      close: () => this.#leave(watcher),
    };
  }

  /** Ends every watch. */
  async close(): Promise<void> {
    this.#stop.abort();
    for (const watcher of [...this.#watchers]) this.#leave(watcher);
    await this.#reading;
  }

  #leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    watcher.closed = true;
    watcher.wake();
  }

  async #next(watcher: Watcher, waitMs: number): Promise<Page | null> {
    if (watcher.calls.length === 0 && watcher.missed === 0 && !watcher.closed)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        watcher.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    watcher.wake = () => {};
    if (watcher.closed) return null;
    const page = {
      calls: watcher.calls.splice(0),
      missed: watcher.missed,
      positions: new Map(watcher.positions),
    };
    watcher.missed = 0;
    return page;
  }

  async #begin(): Promise<void> {
    const count = partitionsAt(await this.#eventLog.schedule(), Date.now());
    const partitions = Array.from({ length: count }, (_, partition) => partition);
    const ends = await Promise.all(
      partitions.map((partition) => this.#eventLog.watermarks(TOPICS.calls, partition)),
    );
    this.#positions = new Map(ends.map(({ high }, partition) => [partition, high]));
  }

  /** Brings a watcher that comes back to where the reader is. */
  async #catchUp(watcher: Watcher, after: Positions): Promise<void> {
    for (;;) {
      const goal = new Map(this.#positions);
      for (const [partition, end] of goal) {
        const seen = watcher.positions.get(partition) ?? after.get(partition) ?? end;
        const from = end - seen > MAX_CATCH_UP ? end - BigInt(MAX_CATCH_UP) : seen;
        if (from > seen) watcher.missed += Number(from - seen);
        if (from < end)
          for await (const record of this.#eventLog.scan(TOPICS.calls, partition, from)) {
            if (record.offset >= end) break;
            give(watcher, record);
          }
        watcher.positions.set(partition, end);
      }
      if (sameStart(goal, this.#positions)) return;
    }
  }

  async #read(): Promise<void> {
    const { signal } = this.#stop;
    let failing = false;
    while (this.#watchers.size > 0 && !signal.aborted) {
      try {
        for (const partition of [...this.#positions.keys()]) await this.#readPartition(partition);
        await this.#growPartitions();
        failing = false;
      } catch (error) {
        if (!failing)
          this.#log.warn({}, `the live tail can't read the log, and tries again: ${messageOf(error)}`);
        failing = true;
      }
      await sleep(POLL_MS, signal);
    }
  }

  async #readPartition(partition: number): Promise<void> {
    const from = this.#positions.get(partition) as bigint;
    for await (const record of this.#eventLog.scan(TOPICS.calls, partition, from)) {
      this.#positions.set(partition, record.offset + 1n);
      for (const watcher of this.#watchers) {
        watcher.positions.set(partition, record.offset + 1n);
        give(watcher, record);
      }
      if (this.#watchers.size === 0) return;
    }
    for (const watcher of this.#watchers) if (watcher.calls.length + watcher.missed > 0) watcher.wake();
  }

  /** Partitions that were added meanwhile, from their beginning. */
  async #growPartitions(): Promise<void> {
    const count = partitionsAt(await this.#eventLog.schedule(), Date.now());
    for (let partition = 0; partition < count; partition++)
      if (!this.#positions.has(partition)) this.#positions.set(partition, 0n);
  }
}

/** The last record that was made a summary of: every watcher is given the same one. */
let made: { record: LogRecord; summary: CallSummary | null } | undefined;

function give(watcher: Watcher, record: LogRecord): void {
  if (made?.record !== record) made = { record, summary: summaryOf(record) };
  const { summary } = made;
  if (summary === null || !watcher.accepts(summary)) return;
  if (watcher.calls.push(summary) > MAX_BEHIND) {
    watcher.calls.shift();
    watcher.missed++;
  }
}

/** Null for what is no call: ticks, the ledger's rows, adjustments, and what is no row either for the sink. */
function summaryOf({ headers, value, appendedAtMs }: LogRecord): CallSummary | null {
  if ((headers[HEADER.record] ?? CALLS_RECORD.call) !== CALLS_RECORD.call || value === null) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString('utf8'));
  } catch {
    return null;
  }
  const row = MeteredCallRecordSchema.safeParse(parsed);
  if (!row.success || row.data.kind !== 'call') return null;
  const fields = row.data as Record<string, unknown>;
  const summary = Object.fromEntries(SUMMARY_FIELDS.map((name) => [name, fields[name]]));
  return { ...summary, recorded_at: new Date(appendedAtMs).toISOString() } as CallSummary;
}
