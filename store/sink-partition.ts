import { ToolmeterError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { retry } from '../core/retry.ts';
import { isSampled } from '../core/traceparent.ts';
import type { LogRecord, NewRecord, OwnedPartition } from '../eventlog/port.ts';
import { HEADER } from '../schemas/record.ts';
import type { Topic } from '../schemas/topics.ts';
import type { StoreClient } from './client.ts';
import { StoreError, type StoreErrorCode } from './errors.ts';
import {
  formatMark,
  type MainRow,
  NO_MARK,
  parseMark,
  type RangeRows,
  rangeLength,
  rowsOf,
} from './range.ts';
import { RANGE, RangeReader } from './range-reader.ts';
import { deadLetter, type Refusal, unreadable } from './refusal.ts';
import type { Place } from './rows.ts';
import type { SinkTopic } from './sink.ts';

/** What became of one range. */
export interface SinkProgress {
  readonly topic: Topic;
  readonly partition: number;
  readonly first: bigint;
  readonly last: bigint;
  readonly rows: number;
  readonly refused: number;
  /** The log's time of the range's first record, and when its rows were committed: freshness. Unix ms. */
  readonly recordedAtMs: number;
  readonly committedAtMs: number;
  /** When work on the range began, Unix ms. */
  readonly insertedFromMs: number;
  /** The range's table. */
  readonly table: string;
  /** Trace contexts of some of its records whose traces are sampled. */
  readonly traceparents: readonly string[];
}

export interface PartitionSinkOptions {
  readonly topic: SinkTopic;
  readonly partition: OwnedPartition;
  readonly client: StoreClient;
  readonly logId: string;
  readonly lingerMs: number;
  /** First pause after the store has failed, milliseconds. */
  readonly pauseMs: number;
  readonly log: Log;
  readonly onRange: (progress: SinkProgress) => void;
  readonly onRetry: (code: StoreErrorCode) => void;
}

/** Longest time from a range's commit as pending to its insert. */
const SEND_WITHIN_MS = 10_000;
/** How long to wait for records that were read before and must be there. */
const REREAD_MS = 15_000;

/**
 * One partition of the log into the store, exactly once.
 *
 * Before an insert the group's position is committed as the range's first offset with `pending` = its last; the
 * insert carries a token made of both; then the position after the range is committed. A successor finds `pending`,
 * reads exactly that range again and asks the table: its rows are there, or they are inserted with the same token,
 * which makes nothing of an insert still in flight. Every commit is fenced, so an owner that has lost the partition
 * stops before it inserts anything new.
 */
export class PartitionSink {
  readonly #options: PartitionSinkOptions;
  readonly #place: Place;
  readonly #reader: RangeReader;
  #raw = NO_MARK.raw;

  constructor(options: PartitionSinkOptions) {
    this.#options = options;
    this.#place = { logId: options.logId, partition: options.partition.partition };
    this.#reader = new RangeReader(options.partition, options.lingerMs);
  }

  /** Runs until the partition is lost or its subscription closes; ranges under way are ended where that is possible. */
  async run(): Promise<void> {
    const { partition } = this.#options;
    try {
      await this.#loop(await this.#recover());
    } catch (error) {
      const lost = error instanceof ToolmeterError && error.code === 'TM_PARTITION_LOST';
      if (!(lost && partition.signal.aborted)) throw error;
    }
  }

  async #loop(from: bigint): Promise<void> {
    const { partition } = this.#options;
    let next = from;
    let ahead = this.#reader.next(next);
    while (!partition.signal.aborted) {
      const batch = await ahead;
      next = batch.length === 0 ? next : batch.at(-1)!.offset + 1n;
      ahead = this.#reader.next(next);
      // Its failure is met by the `await` above, unless settling fails first: then that is what is told.
      ahead.catch(() => undefined);
      for (let rest = batch; rest.length > 0 && !partition.signal.aborted; ) {
        const length = rangeLength(rest);
        await this.#reader.during(() => this.#settle(rest.slice(0, length), null));
        rest = rest.slice(length);
      }
    }
  }

  /** Finishes what a predecessor left open; resolves with the next offset to read. */
  async #recover(): Promise<bigint> {
    const { partition, log } = this.#options;
    const position = await partition.committed();
    if (position === null) return 0n;
    const mark = parseMark(position.metadata);
    if (mark === null) {
      throw new ToolmeterError(
        'TM_SINK_POSITION',
        `The group ${partition.group} has a position in ${partition.topic}/${partition.partition} that no sink wrote.`,
        'Something else commits for this group: give it another group.',
      );
    }
    this.#raw = mark.raw;
    if (mark.pending === null) return position.offset;
    const records = await this.#reread(position.offset, mark.pending);
    log.info(
      {
        partition: partition.partition,
        first: `${position.offset}`,
        last: `${mark.pending}`,
        records: records.length,
      },
      'finishing the range that a predecessor left open',
    );
    await this.#settle(records, { first: position.offset, last: mark.pending });
    return mark.pending + 1n;
  }

  async #reread(first: bigint, last: bigint): Promise<LogRecord[]> {
    const { partition } = this.#options;
    const records: LogRecord[] = [];
    for (let next = first; next <= last; ) {
      const read = await partition.read(next, { ...RANGE, waitMs: REREAD_MS });
      if (read.length === 0) {
        throw new ToolmeterError(
          'TM_SINK_RANGE',
          `Offsets ${next} to ${last} of ${partition.topic}/${partition.partition} can't be read again.`,
          'The log has lost records or is slow; the sink tries again.',
        );
      }
      for (const record of read) if (record.offset <= last) records.push(record);
      next = read.at(-1)!.offset + 1n;
    }
    return records;
  }

  /**
   * Brings one range into the store and commits past it. `open` is set where a predecessor committed the range as
   * pending: then the table is asked first. A range with a row that the store can't read is halved until that row is
   * alone: each half is pending for itself before it is inserted.
   */
  async #settle(records: readonly LogRecord[], open: { first: bigint; last: bigint } | null): Promise<void> {
    const { partition, topic } = this.#options;
    const insertedFromMs = Date.now();
    const first = open?.first ?? records[0]!.offset;
    const last = open?.last ?? records.at(-1)!.offset;
    const sorted = rowsOf(records, this.#place, topic.main, topic.toLine, this.#raw);
    const rows = { ...sorted, main: await this.#withoutRepeated(sorted.main, first, last) };
    const refused: Refusal[] = [...rows.refused];
    let stored = rows.main.length;
    if (rows.main.length > 0 && !(await this.#insertMain(rows, first, last, open !== null))) {
      if (records.length > 1) {
        const half = Math.ceil(records.length / 2);
        await this.#settle(records.slice(0, half), null);
        await this.#settle(records.slice(half), null);
        return;
      }
      stored = 0;
      refused.push(...rows.main.map(({ record }) => unreadable(record)));
    }
    for (const refusal of await this.#insertExtras(rows)) refused.push(refusal);
    await partition.transact(this.#deadLetters(refused), {
      offset: last + 1n,
      metadata: formatMark({ pending: null, raw: rows.raw }),
    });
    this.#raw = rows.raw;
    this.#options.onRange({
      topic: topic.topic,
      partition: partition.partition,
      first,
      last,
      rows: stored,
      refused: refused.length,
      recordedAtMs: records[0]?.appendedAtMs ?? 0,
      committedAtMs: Date.now(),
      insertedFromMs,
      table: topic.main,
      traceparents: traceparentsOf(records),
    });
  }

  /** Drops replayed rows that an earlier replay, or an earlier record of this range, has brought in. */
  async #withoutRepeated(main: readonly MainRow[], first: bigint, last: bigint): Promise<readonly MainRow[]> {
    const { client, logId, partition } = this.#options;
    const replayed = main.flatMap((row) => (row.replayed === null ? [] : [row.replayed.toString()]));
    if (replayed.length === 0) return main;
    const seen = new Set<bigint>();
    await this.#persist(async () => {
      const found = await client.query<{ raw_offset: string }>(
        `SELECT DISTINCT raw_offset FROM calls
         WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND toString(raw_offset) IN {replayed:Array(String)}
           AND NOT offset BETWEEN {first:UInt64} AND {last:UInt64}`,
        {
          log_id: logId,
          partition: partition.partition,
          replayed,
          first: first.toString(),
          last: last.toString(),
        },
      );
      for (const row of found) seen.add(BigInt(row.raw_offset));
      return true;
    });
    return main.filter((row) => {
      if (row.replayed === null) return true;
      if (seen.has(row.replayed)) return false;
      seen.add(row.replayed);
      return true;
    });
  }

  /** True when the rows are in the table, false when the store can't read one of them. Waits while it is down. */
  async #insertMain(rows: RangeRows, first: bigint, last: bigint, mayBeThere: boolean): Promise<boolean> {
    const { partition, topic, client, logId } = this.#options;
    const token = `${logId}-${partition.partition}-${first}-${last}`;
    let ask = mayBeThere;
    return this.#persist(async () => {
      let missing = rows.main;
      if (ask) {
        const present = await this.#present(first, last);
        if (present.size > 0) missing = rows.main.filter(({ record }) => !present.has(record.offset));
        if (missing.length === 0) return true;
      }
      const block = Buffer.concat(missing.map(({ json }) => json));
      await this.#announce(first, last);
      // An attempt that failed may have landed: the next one asks, since tokens are not kept for ever.
      ask = true;
      await client.insert(
        topic.main,
        block,
        missing === rows.main ? token : `${token}-rest-${missing.length}`,
      );
      return true;
    });
  }

  /**
   * Commits the range as pending. Where that took long, or the process stood still meanwhile, once more: an insert is
   * only sent when the partition was ours a moment ago, so that it falls into the table's window of tokens.
   */
  async #announce(first: bigint, last: bigint): Promise<void> {
    const metadata = formatMark({ pending: last, raw: this.#raw });
    for (let begun = Number.NEGATIVE_INFINITY; performance.now() - begun > SEND_WITHIN_MS; ) {
      begun = performance.now();
      await this.#options.partition.transact([], { offset: first, metadata });
    }
  }

  /** Offsets of the range that have their row. */
  async #present(first: bigint, last: bigint): Promise<Set<bigint>> {
    const { client, topic, logId, partition } = this.#options;
    const found = await client.query<{ offset: string }>(
      `SELECT offset FROM ${topic.main}
       WHERE log_id = {log_id:String} AND partition = {partition:UInt32}
         AND offset BETWEEN {first:UInt64} AND {last:UInt64}`,
      { log_id: logId, partition: partition.partition, first: first.toString(), last: last.toString() },
    );
    return new Set(found.map((row) => BigInt(row.offset)));
  }

  /** Ticks and completeness, after the rows before them. Inserted again they change nothing. */
  async #insertExtras(rows: RangeRows): Promise<Refusal[]> {
    const { client } = this.#options;
    const refused: Refusal[] = [];
    for (const table of ['completeness', 'ticks'] as const) {
      const lines = rows.extras.filter((extra) => extra.table === table);
      if (lines.length === 0) continue;
      const all = Buffer.concat(lines.map(({ json }) => json));
      if (await this.#persist(() => client.insert(table, all).then(() => true))) continue;
      for (const { record, json } of lines) {
        if (!(await this.#persist(() => client.insert(table, json).then(() => true)))) {
          refused.push(unreadable(record));
        }
      }
    }
    return refused;
  }

  /** Tries until it works or the rows are refused; gives up only with the partition. */
  #persist(work: () => Promise<true>): Promise<boolean> {
    const { partition, log, pauseMs, onRetry } = this.#options;
    return retry<boolean>(
      async () => {
        try {
          return await work();
        } catch (error) {
          if (error instanceof StoreError && error.code === 'TM_STORE_REFUSED') return false;
          throw error;
        }
      },
      {
        pauseMs,
        maxPauseMs: pauseMs * 100,
        attempts: Number.POSITIVE_INFINITY,
        signal: partition.signal,
        retryable: (error) => error instanceof StoreError,
        onRetry: (error, attempt, nextMs) => {
          onRetry((error as StoreError).code);
          log.warn(
            { err: error, partition: partition.partition, attempt, pauseMs: nextMs },
            'the store failed; trying again',
          );
        },
      },
    );
  }

  /**
   * A calls record that is no row becomes a dead letter: its own bytes, under the raw offset that it names. A dead
   * letter that is no row is in the dead-letter topic already: it is only told.
   */
  #deadLetters(refused: readonly Refusal[]): NewRecord[] {
    const { partition, topic, log } = this.#options;
    const inOrder = [...refused].sort((a, b) => Number(a.record.offset - b.record.offset));
    for (const { record, code, message } of inOrder) {
      log.error(
        { topic: topic.topic, partition: partition.partition, offset: `${record.offset}`, code },
        message,
      );
    }
    return topic.main === 'calls' ? inOrder.map((refusal) => deadLetter(refusal, partition)) : [];
  }
}

/** Records of a range that are told of for their traces, of those whose traces are sampled. */
const MAX_TRACED = 32;

function traceparentsOf(records: readonly LogRecord[]): string[] {
  const found: string[] = [];
  for (const { headers } of records) {
    const traceparent = headers[HEADER.traceparent];
    if (traceparent === undefined || !isSampled(traceparent)) continue;
    if (found.push(traceparent) === MAX_TRACED) break;
  }
  return found;
}
