import type { PartitionSchedule } from '../schemas/partition.ts';
import type { Topic, TopicSpec } from '../schemas/topics.ts';

/** A record to append. The caller names the partition: it is part of the meaning (see `schemas/partition.ts`). */
export interface NewRecord {
  readonly topic: Topic;
  readonly partition: number;
  /** Required on compacted topics: of one key the last value stays; a null value deletes the key. */
  readonly key?: string;
  readonly value: Uint8Array | string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A record as the log has it. `value` may share memory with its batch: copy what must outlive it. */
export interface LogRecord {
  readonly offset: bigint;
  /** The log's own append time, Unix ms; never decreases in a partition. */
  readonly appendedAtMs: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** A committed position of a group in a partition: the next offset to read, and text that the group keeps with it. */
export interface Position {
  readonly offset: bigint;
  readonly metadata: string;
}

/**
 * One partition of one topic, held by one member of a group. Every write through it is fenced: once another member
 * has acquired the partition, each call rejects with `TM_PARTITION_LOST` and has no effect.
 *
 * Closing is not losing: when the subscription closes, `signal` aborts and a waiting `read` returns empty, but
 * `transact` works until the handler has ended. When the partition is lost, `signal.reason` is that error.
 *
 * The calls of one owner don't overlap: await each before the next (a `read` may run beside a `transact`).
 */
export interface OwnedPartition {
  readonly group: string;
  readonly topic: Topic;
  readonly partition: number;
  /** Aborts as soon as it is known that the partition is lost or the subscription is closing. */
  readonly signal: AbortSignal;
  /** The group's committed position, or null where there is none. Read after fencing: never an older owner's past. */
  committed(): Promise<Position | null>;
  /**
   * Up to `maxRecords` / `maxBytes` committed records from `from` on, in order; waits up to `waitMs` for the first.
   * Empty when none came. Always at least one record where there is one, however large.
   * Where retention has passed `from`, reading goes on at the oldest record. What the group had not read by then is
   * logged as an error, and told to the log's `onSkipped` (`eventlog/skipped.ts`), once. (A gap between offsets alone
   * means nothing: transactions and compaction leave holes.) Rejects with `TM_LOG_UNAVAILABLE` when the log did not answer for some seconds, with
   * `TM_LOG_TRUNCATED` when `from` is past the end of a log that has lost records.
   */
  read(from: bigint, limit: { maxRecords: number; maxBytes: number; waitMs: number }): Promise<LogRecord[]>;
  /**
   * One transaction: all records and the group's new position, or nothing. Readers never see records of one that
   * did not commit. Records over a topic's `maxRecordBytes` reject it whole with `TM_RECORD_TOO_LARGE`, nothing
   * written, the partition still held. Any other failure leaves the outcome unknown: the partition is then lost, and
   * `committed()` after its next acquisition says which it was.
   * Let a partition have one transactional writer at a time where you can: other readers of a Kafka topic (kafkajs'
   * own consumer) may show records of aborted transactions where two interleave.
   */
  transact(records: readonly NewRecord[], position: Position | null): Promise<void>;
  /**
   * Every live key and value of the same partition of a compacted topic, as of now, after fencing. A key may come
   * more than once; its last value is the one that stands.
   */
  readCompacted(topic: Topic): AsyncIterable<{ key: string; value: Buffer }>;
}

/**
 * What a member does with a partition, from its acquisition until `signal` aborts. One call a partition. One that
 * ends earlier gives the partition up, and it is acquired anew after a pause.
 */
export type PartitionHandler = (partition: OwnedPartition) => Promise<void>;

/** A member of a group. */
export interface Subscription {
  /** Resolves when at least one assignment has happened (it may be of no partition), or at `close`. */
  readonly ready: Promise<void>;
  /** Partitions held now. */
  partitions(): number[];
  /** Leaves the group: aborts each handler's signal, waits for the handlers, frees the partitions. */
  close(): Promise<void>;
}

/** Outcome of one record of an append, in order. */
export type AppendResult = { ok: true } | { ok: false; code: 'TM_RECORD_TOO_LARGE' };

/**
 * The log between the folders: ordered, partitioned, durable. Adapters: `kafka/` and `embedded/`; one contract suite
 * (`test/contract/eventlog.ts`) says what both promise.
 */
export interface EventLog {
  readonly kind: 'kafka' | 'embedded';
  /** Id of this log, made with its topics: a recreated log is another log. `TM_TOPIC_UNKNOWN` before there are any. */
  logId(): Promise<string>;
  /**
   * When the four topics had how many partitions. A new line takes force a minute after it was written: whoever
   * computes partitions reads this at least that often.
   */
  schedule(): Promise<PartitionSchedule>;
  /** Creates what is missing, brings settings up to date, adds partitions (and a line to the schedule) where more are asked for. */
  ensureTopics(specs: readonly TopicSpec[]): Promise<void>;
  /**
   * Appends outside a transaction; resolves when all accepted records are durable. Idempotent within a call: its
   * internal retries never write a record twice. A record that is too large is refused alone, the others go in.
   * Rejects with `TM_LOG_UNAVAILABLE` when the log can't be reached (then any part may have been written).
   */
  append(records: readonly NewRecord[]): Promise<AppendResult[]>;
  /**
   * Joins `group` on `topic`. The handler is called once for each partition acquired; when it rejects, the partition
   * is given up and acquired anew after a pause (`onError` is told).
   */
  subscribe(
    group: string,
    topic: Topic,
    handler: PartitionHandler,
    options?: { onError?: (error: unknown, partition: number | null) => void },
  ): Subscription;
  /** Reads without a group, committed records only, from an offset (default: the oldest) to what was the end when called. */
  scan(topic: Topic, partition: number, from?: bigint): AsyncIterable<LogRecord>;
  /**
   * Oldest and next offset of a partition, and the group's committed offset: for lag and readiness. `high` counts
   * transaction markers, which nobody reads: on a topic written by transactions a lag of 1 may be none.
   */
  watermarks(
    topic: Topic,
    partition: number,
    group?: string,
  ): Promise<{ low: bigint; high: bigint; committed: bigint | null }>;
  /** Rejects with `TM_LOG_UNAVAILABLE` and a hint where the log doesn't answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
