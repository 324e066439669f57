import type { Producer, Transaction } from 'kafkajs';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { retry, sleep } from '../../core/retry.ts';
import type { Topic } from '../../schemas/topics.ts';
import type { Holding, Ownership } from '../ownership.ts';
import type { LogRecord, NewRecord, OwnedPartition, Position } from '../port.ts';
import type { SkipWatch } from '../skipped.ts';
import { chunk } from './chunks.ts';
import type { KafkaClient } from './client.ts';
import { isFenced, rootOf, typeOf, unavailable } from './errors.ts';
import { PartitionReader } from './fetch.ts';
import { send } from './send.ts';

/** One fetch waits no longer than this, so that a closing owner doesn't wait for it. Milliseconds. */
const FETCH_WAIT_MS = 250;
const FETCH_PAUSE_MS = 50;
/** Brokers that don't answer a read get this long. Milliseconds. */
const PATIENCE_MS = 5_000;

export interface Acquisition {
  readonly client: KafkaClient;
  readonly limitOf: (topic: Topic) => number;
  readonly log: Log;
  readonly skips: SkipWatch;
}

/**
 * A partition, acquired: the producer with the partition's own transactional id is initialised first, which fences
 * every earlier one and ends its open transaction; then the committed position is read.
 */
export async function acquire(context: Acquisition, ownership: Ownership): Promise<Holding> {
  const { group, topic, partition } = ownership;
  const producer = context.client.producer(`toolmeter.${group}.${topic}.${partition}`);
  const reader = new PartitionReader(context.client.cluster());
  const end = async (): Promise<void> => {
    for (const closing of [producer.disconnect(), reader.close()])
      await closing.catch((error: unknown) => {
        context.log.debug({ err: error, group, topic, partition }, 'A Kafka client did not disconnect well');
      });
  };
  try {
    await producer.connect();
    // kafkajs initialises a transactional producer when its first transaction begins; this one never reaches a broker.
    await (await producer.transaction()).abort();
    const position = await reader.committed(group, topic, partition);
    return { owned: new KafkaOwned(context, ownership, producer, reader, position), ownership, end };
  } catch (error) {
    await end();
    throw unavailable(`Partition ${partition} of ${topic} can't be acquired`, error);
  }
}

class KafkaOwned implements OwnedPartition {
  readonly group: string;
  readonly topic: Topic;
  readonly partition: number;
  readonly signal: AbortSignal;
  readonly #context: Acquisition;
  readonly #ownership: Ownership;
  readonly #producer: Producer;
  readonly #reader: PartitionReader;
  #position: Position | null;
  /** Fetched and not yet handed out: the answer to a read from `#at` on. */
  #fetched: LogRecord[] = [];
  #at = -1n;
  /** Where the next fetch goes on, and up to where there is something to fetch for sure. */
  #next = -1n;
  #stable = -1n;

  constructor(
    context: Acquisition,
    ownership: Ownership,
    producer: Producer,
    reader: PartitionReader,
    position: Position | null,
  ) {
    this.group = ownership.group;
    this.topic = ownership.topic;
    this.partition = ownership.partition;
    this.signal = ownership.signal;
    this.#context = context;
    this.#ownership = ownership;
    this.#producer = producer;
    this.#reader = reader;
    this.#position = position;
  }

  /** What was read after fencing, then what this owner committed itself: the broker shows a commit a moment later. */
  async committed(): Promise<Position | null> {
    this.#ownership.assertHeld();
    return this.#position;
  }

  async read(
    from: bigint,
    limit: { maxRecords: number; maxBytes: number; waitMs: number },
  ): Promise<LogRecord[]> {
    const begun = performance.now();
    if (from !== this.#at) this.#seek(from);
    for (;;) {
      this.#ownership.assertHeld();
      const count = fitting(this.#fetched, limit);
      const full = count < this.#fetched.length || count === limit.maxRecords;
      if (full || (count > 0 && this.#next >= this.#stable)) return this.#take(count);
      const leftMs = Math.max(0, begun + limit.waitMs - performance.now());
      const before = this.#next;
      await this.#fetch(
        limit.maxBytes,
        count > 0 ? 0 : Math.min(leftMs, FETCH_WAIT_MS),
        begun + limit.waitMs,
      );
      if (this.#next > before) continue;
      if (count > 0) return this.#take(count);
      if (leftMs === 0 || this.signal.aborted) return [];
    }
  }

  async transact(records: readonly NewRecord[], position: Position | null): Promise<void> {
    this.#ownership.assertHeld();
    const requests = chunk(records, this.#context.limitOf);
    if (requests.length === 0 && position === null) return;
    let transaction: Transaction | undefined;
    try {
      transaction = await this.#producer.transaction();
      for (const request of requests) await send(transaction, request, this.#context.client.compression);
      if (position !== null) await this.#sendPosition(transaction, position);
      await transaction.commit();
    } catch (error) {
      throw await this.#fail(transaction, error);
    }
    if (position !== null) this.#position = position;
  }

  async *readCompacted(topic: Topic): AsyncIterable<{ key: string; value: Buffer }> {
    const { partition } = this;
    const { low, high } = await this.#reader.bounds(topic, partition);
    // The broker compacts late: what is not superseded is only known at the end. Copied, since a value is a part of
    // its whole fetch, and what is superseded shall not stay in memory.
    const live = new Map<string, Buffer | null>();
    const range = { from: low, to: high, compacted: true };
    for await (const records of this.#reader.range(topic, partition, range)) {
      this.#ownership.assertHeld();
      for (const { key, value } of records) if (key !== null) live.set(key, value && Buffer.from(value));
    }
    for (const [key, value] of live) if (value !== null) yield { key, value };
  }

  #seek(from: bigint): void {
    this.#fetched = [];
    this.#at = from;
    this.#next = from;
    this.#stable = from;
  }

  #take(count: number): LogRecord[] {
    const taken = this.#fetched.splice(0, count);
    const last = taken.at(-1);
    if (last !== undefined) this.#at = last.offset + 1n;
    return taken;
  }

  /** Fetches once; brokers that don't answer are given some time. */
  async #fetch(maxBytes: number, waitMs: number, deadline: number): Promise<void> {
    const { topic, partition } = this;
    const giveUp = Math.max(deadline, performance.now() + PATIENCE_MS);
    for (;;) {
      try {
        const { records, next, stable, low } = await this.#reader.fetch(
          topic,
          partition,
          this.#next,
          maxBytes,
          waitMs,
        );
        if (low !== null)
          this.#context.skips.check(partition, this.#next, this.#position?.offset ?? null, low);
        for (const record of records) this.#fetched.push(record);
        this.#next = next;
        this.#stable = stable;
        return;
      } catch (error) {
        const over = performance.now() > giveUp || this.signal.aborted;
        if (over || error instanceof ToolmeterError)
          throw unavailable(`Partition ${partition} of ${topic} can't be read`, error);
        await sleep(FETCH_PAUSE_MS, this.signal);
      }
    }
  }

  /** Where a transaction holds nothing but the position, the one before may be just ending: kafkajs doesn't wait. */
  async #sendPosition(transaction: Transaction, position: Position): Promise<void> {
    const offset = {
      partition: this.partition,
      offset: position.offset.toString(),
      metadata: position.metadata,
    };
    const offsets = { consumerGroupId: this.group, topics: [{ topic: this.topic, partitions: [offset] }] };
    await retry(() => transaction.sendOffsets(offsets), {
      pauseMs: 5,
      maxPauseMs: 50,
      attempts: 100,
      retryable: (error) => typeOf(error) === 'CONCURRENT_TRANSACTIONS',
    });
  }

  async #fail(transaction: Transaction | undefined, error: unknown): Promise<ToolmeterError> {
    // Fenced, the broker has ended the transaction already.
    if (transaction?.isActive() && !isFenced(error))
      await transaction.abort().catch((problem: unknown) => {
        this.#context.log.debug(
          { err: problem },
          'A transaction could not be aborted; the next owner ends it',
        );
      });
    const why = isFenced(error)
      ? 'another member has acquired it'
      : `a transaction failed (${messageOf(rootOf(error))})`;
    return this.#ownership.lose(why, error);
  }
}

/** How many of the records a limit lets through: at least one where there is one. */
function fitting(records: readonly LogRecord[], limit: { maxRecords: number; maxBytes: number }): number {
  let size = 0;
  let count = 0;
  for (const { value } of records) {
    size += value?.byteLength ?? 0;
    if (count === limit.maxRecords || (count > 0 && size > limit.maxBytes)) break;
    count++;
  }
  return count;
}
