import type { Log } from '../core/log.ts';
import type { EventLog, LogRecord, Subscription } from '../eventlog/port.ts';
import { TOPICS, type Topic } from '../schemas/topics.ts';
import type { Store } from './client.ts';
import type { StoreErrorCode } from './errors.ts';
import { callsLine, deadLetterLine, type Line, type Place, type Table } from './rows.ts';
import { PartitionSink, type SinkProgress } from './sink-partition.ts';

/** How a topic becomes rows: the table that is inserted exactly once, and the line of a record. */
export interface SinkTopic {
  readonly group: string;
  readonly topic: Topic;
  readonly main: Table;
  readonly toLine: (record: LogRecord, place: Place) => Line;
}

/** Groups differ, since a group's members must all read the same topics. */
export const SINK_TOPICS: readonly SinkTopic[] = [
  { group: 'toolmeter-sink', topic: TOPICS.calls, main: 'calls', toLine: callsLine },
  { group: 'toolmeter-sink-dlq', topic: TOPICS.dlq, main: 'dead_letters', toLine: deadLetterLine },
];

export interface SinkOptions {
  readonly eventLog: EventLog;
  /** Migrated. */
  readonly store: Store;
  readonly log: Log;
  /** How long a small batch waits for more, milliseconds. */
  readonly lingerMs?: number;
  /** Told after each range is in the table and committed. */
  readonly onRange?: (progress: SinkProgress) => void;
  /** Told of each failure of the store that is tried again, by its code. */
  readonly onRetry?: (code: StoreErrorCode) => void;
}

export interface SinkStats {
  /** Rows of `calls`. */
  readonly rows: number;
  readonly deadLetters: number;
  readonly ranges: number;
  readonly refused: number;
  /** Failures that were or are being tried again. */
  readonly retries: number;
  /** When a range was last committed, Unix ms; 0 before the first. */
  readonly lastCommitMs: number;
}

export interface Sink {
  /** Resolves when the partitions have been assigned once. */
  readonly ready: Promise<void>;
  stats(): SinkStats;
  /** Lets ranges under way end, then leaves. */
  close(): Promise<void>;
}

/**
 * Moves calls, ticks, completeness and dead letters from the log into the store: each calls and dead-letter record
 * becomes one row, once, whatever is killed. The protocol is `PartitionSink`'s.
 */
export function startSink(options: SinkOptions): Sink {
  const { eventLog, store, log } = options;
  const stats = { rows: 0, deadLetters: 0, ranges: 0, refused: 0, retries: 0, lastCommitMs: 0 };
  const subscriptions: Subscription[] = SINK_TOPICS.map((topic) =>
    eventLog.subscribe(
      topic.group,
      topic.topic,
      async (partition) => {
        const client = await store.newClient();
        try {
          await new PartitionSink({
            topic,
            partition,
            client,
            logId: await eventLog.logId(),
            lingerMs: options.lingerMs ?? 80,
            pauseMs: 100,
            log,
            onRange: (progress) => {
              if (topic.main === 'calls') stats.rows += progress.rows;
              else stats.deadLetters += progress.rows;
              stats.ranges++;
              stats.refused += progress.refused;
              stats.lastCommitMs = progress.committedAtMs;
              options.onRange?.(progress);
            },
            onRetry: (code) => {
              stats.retries++;
              options.onRetry?.(code);
            },
          }).run();
        } finally {
          await client.close();
        }
      },
      {
        onError: (error, partition) =>
          log.error(
            { err: error, topic: topic.topic, partition },
            'sink gave up a partition; it is acquired anew',
          ),
      },
    ),
  );
  return {
    ready: Promise.all(subscriptions.map((subscription) => subscription.ready)).then(() => undefined),
    stats: () => ({ ...stats }),
    close: async () => {
      await Promise.all(subscriptions.map((subscription) => subscription.close()));
    },
  };
}
