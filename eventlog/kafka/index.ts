import { ToolmeterError } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import { retry } from '../../core/retry.ts';
import type { PartitionSchedule } from '../../schemas/partition.ts';
import {
  PROCESSED_MAX_BYTES,
  RAW_MAX_BYTES,
  TOPICS,
  type Topic,
  type TopicSpec,
} from '../../schemas/topics.ts';
import { logClosed } from '../errors.ts';
import { errorTeller } from '../on-error.ts';
import type {
  AppendResult,
  EventLog,
  LogRecord,
  NewRecord,
  PartitionHandler,
  Subscription,
} from '../port.ts';
import { type OnSkipped, SkipWatch } from '../skipped.ts';
import { Appender } from './appender.ts';
import { KafkaClient, type KafkaConnection } from './client.ts';
import { isFenced, unavailable } from './errors.ts';
import { PartitionReader } from './fetch.ts';
import { requireMeta } from './meta.ts';
import { mendRequestQueue } from './request-queue.ts';
import { KafkaSubscription } from './subscription.ts';
import { ensureTopics } from './topics.ts';

export type { Compression } from './compression.ts';
export { readTls } from './tls.ts';

export interface KafkaLogOptions extends KafkaConnection {
  /** Copies of each partition of topics that are made here. Default: the cluster's. */
  readonly replication?: number;
  readonly log?: Log;
  /** Told of what retention drops before a group of this log has read it. */
  readonly onSkipped?: OnSkipped;
  /** How long a silent member keeps its partitions. Default 10 s; brokers allow no less than 6 s by default. */
  readonly sessionTimeoutMs?: number;
}

/**
 * The log on a Kafka cluster (brokers from 2.5 on). Opening reaches for no broker: what is asked of the log waits for
 * one for some seconds, then rejects with TM_LOG_UNAVAILABLE; subscriptions wait for ever.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<EventLog> {
  // Imported here: who only has the embedded log, or a collector without brokers, needs no kafkajs.
  const { default: kafkajs } = await import('kafkajs');
  mendRequestQueue();
  const log = options.log ?? silentLog;
  return new KafkaLog(new KafkaClient(kafkajs, options, log), options, log);
}

class KafkaLog implements EventLog {
  readonly kind = 'kafka';
  readonly #client: KafkaClient;
  readonly #log: Log;
  readonly #replication: number;
  readonly #sessionTimeoutMs: number;
  readonly #onSkipped: OnSkipped | undefined;
  readonly #limits = new Map<Topic, number>();
  readonly #appender: Appender;
  readonly #reader: PartitionReader;
  readonly #subscriptions = new Set<Subscription>();
  #logId: string | undefined;
  #closed = false;

  constructor(client: KafkaClient, options: KafkaLogOptions, log: Log) {
    this.#client = client;
    this.#log = log;
    this.#replication = options.replication ?? -1;
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? 10_000;
    this.#onSkipped = options.onSkipped;
    this.#appender = new Appender(client, this.#limitOf, log);
    this.#reader = new PartitionReader(client.cluster());
  }

  /** A log that only appends never asked for topics: the sizes are the contract's then. */
  readonly #limitOf = (topic: Topic): number =>
    this.#limits.get(topic) ?? (topic === TOPICS.raw ? RAW_MAX_BYTES : PROCESSED_MAX_BYTES);

  async logId(): Promise<string> {
    this.#logId ??= (await this.#ask("The log's id can't be read", () => requireMeta(this.#reader))).logId;
    return this.#logId;
  }

  async schedule(): Promise<PartitionSchedule> {
    return (await this.#ask("The partition schedule can't be read", () => requireMeta(this.#reader)))
      .schedule;
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    for (const spec of specs) this.#limits.set(spec.name, spec.maxRecordBytes);
    await this.#ask("The topics can't be made", () =>
      retry(() => ensureTopics(this.#client, this.#reader, specs, this.#replication), {
        pauseMs: 50,
        maxPauseMs: 1_000,
        attempts: 10,
        // Another process does the same at this moment.
        retryable: isFenced,
      }),
    );
  }

  append(records: readonly NewRecord[]): Promise<AppendResult[]> {
    return this.#appender.append(records);
  }

  subscribe(
    group: string,
    topic: Topic,
    handler: PartitionHandler,
    options: { onError?: (error: unknown, partition: number | null) => void } = {},
  ): Subscription {
    if (this.#closed) throw logClosed();
    const onError = errorTeller(this.#log, group, topic, options.onError);
    const skips = new SkipWatch(group, topic, this.#log, this.#onSkipped);
    const context = { client: this.#client, limitOf: this.#limitOf, log: this.#log, skips };
    const subscription = new KafkaSubscription(
      context,
      group,
      topic,
      handler,
      onError,
      this.#sessionTimeoutMs,
    );
    this.#subscriptions.add(subscription);
    void subscription.ended.then(() => this.#subscriptions.delete(subscription));
    return subscription;
  }

  async *scan(topic: Topic, partition: number, from = 0n): AsyncIterable<LogRecord> {
    const what = `Partition ${partition} of ${topic} can't be read`;
    // Connections of its own: a scan is long, and whoever takes its records may ask the log for more.
    const reader = new PartitionReader(this.#client.cluster());
    try {
      const { low, high } = await this.#ask(what, () => reader.bounds(topic, partition));
      const range = { from: from > low ? from : low, to: high, compacted: topic === TOPICS.state };
      const pages = reader.range(topic, partition, range);
      for (;;) {
        const page = await this.#ask(what, () => pages.next());
        if (page.done) return;
        yield* page.value;
      }
    } finally {
      await reader.close();
    }
  }

  async watermarks(
    topic: Topic,
    partition: number,
    group?: string,
  ): Promise<{ low: bigint; high: bigint; committed: bigint | null }> {
    return this.#ask(`Partition ${partition} of ${topic} can't be looked up`, async () => {
      const { low, high } = await this.#reader.bounds(topic, partition);
      const position = group === undefined ? null : await this.#reader.committed(group, topic, partition);
      return { low, high, committed: position?.offset ?? null };
    });
  }

  async ping(): Promise<void> {
    await this.#ask('Kafka does not answer', () => this.#reader.ping());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#appender.close();
    await this.#reader.close();
  }

  async #ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw logClosed();
    try {
      return await work();
    } catch (error) {
      if (error instanceof ToolmeterError) throw error;
      throw unavailable(what, error);
    }
  }
}
