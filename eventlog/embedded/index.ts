import { type Clock, systemClock } from '../../core/clock.ts';
import { ToolmeterError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { PartitionSchedule } from '../../schemas/partition.ts';
import { TOPICS, type Topic, type TopicSpec } from '../../schemas/topics.ts';
import { logClosed, topicUnknown } from '../errors.ts';
import { errorTeller } from '../on-error.ts';
import type {
  AppendResult,
  EventLog,
  LogRecord,
  NewRecord,
  PartitionHandler,
  Subscription,
} from '../port.ts';
import { growSchedule, partitionTargets } from '../schedule.ts';
import { type OnSkipped, SkipWatch } from '../skipped.ts';
import { openDatabase } from './database.ts';
import { sweep } from './retention.ts';
import { Store } from './store.ts';
import { EmbeddedSubscription } from './subscription.ts';

export interface EmbeddedLogOptions {
  /** The SQLite file; made with its folder where missing. */
  readonly path: string;
  /** Stamps records. Default: the machine's. */
  readonly clock?: Clock;
  readonly log?: Log;
  /**
   * `FULL` (default): what was acknowledged survives power loss. `NORMAL`: it survives the death of the process.
   */
  readonly synchronous?: 'FULL' | 'NORMAL';
  /** How long a silent member keeps its partitions from a waiting one. Default 10 s. */
  readonly leaseMs?: number;
  /** Told of what retention drops before a group of this log has read it. */
  readonly onSkipped?: OnSkipped;
  /** How often old records are dropped. Default one minute. */
  readonly sweepMs?: number;
}

/** Records that `scan` takes from the file at a time. */
const PAGE = { maxRecords: 2_000, maxBytes: 4 * 1024 * 1024 };

/**
 * The log in one SQLite file. Threads and processes of one machine may open it at the same time, each with a
 * connection of its own.
 * @throws ToolmeterError TM_LOG_UNAVAILABLE where the file can't be opened.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EventLog> {
  const db = await openDatabase(options.path, options.synchronous ?? 'FULL');
  return new EmbeddedLog(new Store(db, options.path, options.clock ?? systemClock), options);
}

class EmbeddedLog implements EventLog {
  readonly kind = 'embedded';
  readonly #store: Store;
  readonly #log: Log;
  readonly #leaseMs: number;
  readonly #onSkipped: OnSkipped | undefined;
  readonly #subscriptions = new Set<Subscription>();
  readonly #sweeper: NodeJS.Timeout;
  #sweeping: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(store: Store, options: EmbeddedLogOptions) {
    this.#store = store;
    this.#log = options.log ?? silentLog;
    this.#leaseMs = options.leaseMs ?? 10_000;
    this.#onSkipped = options.onSkipped;
    this.#sweeper = setInterval(() => {
      this.#sweeping = this.#sweeping.then(() => this.#sweep());
    }, options.sweepMs ?? 60_000).unref();
  }

  async logId(): Promise<string> {
    const row = await this.#look(() =>
      this.#store.db.prepare("SELECT value FROM meta WHERE key = 'log_id'").get(),
    );
    if (row === undefined) throw topicUnknown(TOPICS.raw);
    return row.value as string;
  }

  async schedule(): Promise<PartitionSchedule> {
    const schedule = await this.#look(() => this.#readSchedule());
    if (schedule.length === 0) throw topicUnknown(TOPICS.raw);
    return schedule;
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    await this.#store.writer.write(0, () => {
      const { tables, db, clock } = this.#store;
      const existing = new Map(tables.reload().map((topic) => [topic.name, topic.partitions]));
      const targets = partitionTargets(specs, existing);
      for (const spec of specs) tables.putTopic(spec, targets.get(spec.name) as number);
      tables.reload();
      db.prepare("INSERT INTO meta VALUES ('log_id', ?) ON CONFLICT DO NOTHING").run(uuidv7());
      const raw = targets.get(TOPICS.raw);
      if (raw === undefined) return;
      for (const line of growSchedule(this.#readSchedule(), raw, clock.nowMs()))
        db.prepare('INSERT INTO schedule VALUES (?, ?) ON CONFLICT DO NOTHING').run(
          line.fromMs,
          line.partitions,
        );
    });
  }

  async append(records: readonly NewRecord[]): Promise<AppendResult[]> {
    const { results, batch } = await this.#look(() => this.#store.sort(records));
    if (batch.groups.length > 0)
      await this.#store.writer.write(batch.sizeBytes, () => this.#store.put(batch));
    return results;
  }

  subscribe(
    group: string,
    topic: Topic,
    handler: PartitionHandler,
    options: { onError?: (error: unknown, partition: number | null) => void } = {},
  ): Subscription {
    if (this.#closed) throw logClosed();
    const onError = errorTeller(this.#log, group, topic, options.onError);
    const subscription = new EmbeddedSubscription(
      this.#store,
      group,
      topic,
      handler,
      onError,
      this.#leaseMs,
      new SkipWatch(group, topic, this.#log, this.#onSkipped),
    );
    this.#subscriptions.add(subscription);
    void subscription.ended.then(() => this.#subscriptions.delete(subscription));
    return subscription;
  }

  async *scan(topic: Topic, partition: number, from = 0n): AsyncIterable<LogRecord> {
    const { high } = await this.watermarks(topic, partition);
    for (let next = from; next < high; ) {
      const page = await this.#store.read(topic, partition, next, PAGE);
      for (const record of page) {
        if (record.offset >= high) return;
        yield record;
      }
      const last = page.at(-1);
      if (last === undefined) return;
      next = last.offset + 1n;
    }
  }

  watermarks(
    topic: Topic,
    partition: number,
    group?: string,
  ): Promise<{ low: bigint; high: bigint; committed: bigint | null }> {
    return this.#look(() => {
      const { low, high } = this.#store.tables.bounds(
        this.#store.tables.partition(topic, partition),
        partition,
      );
      const position = group === undefined ? null : this.#store.positions.get(group, topic, partition);
      return { low: BigInt(low), high: BigInt(high), committed: position?.offset ?? null };
    });
  }

  async ping(): Promise<void> {
    await this.#look(() => this.#store.db.prepare('SELECT 1').get());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeper);
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#sweeping;
    await this.#store.writer.close();
    this.#store.wake.close();
    this.#store.db.close();
  }

  async #look<T>(work: () => T): Promise<T> {
    if (this.#closed) throw logClosed();
    return this.#store.look(work);
  }

  #readSchedule(): PartitionSchedule {
    return this.#store.db
      .prepare('SELECT from_ms AS fromMs, partitions FROM schedule ORDER BY from_ms')
      .all() as unknown as PartitionSchedule;
  }

  async #sweep(): Promise<void> {
    if (this.#closed) return;
    try {
      await sweep(this.#store.tables, this.#store.writer, this.#store.clock.nowMs());
    } catch (error) {
      if (error instanceof ToolmeterError && error.code === 'TM_LOG_CLOSED') return;
      this.#log.warn({ err: error }, 'Dropping old records failed; it is tried again');
    }
  }
}
