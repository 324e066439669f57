import type { Consumer } from 'kafkajs';
import { retry, sleep } from '../../core/retry.ts';
import type { Topic } from '../../schemas/topics.ts';
import { holdPartition, Ownership } from '../ownership.ts';
import type { PartitionHandler, Subscription } from '../port.ts';
import { unavailable } from './errors.ts';
import { type Acquisition, acquire } from './owned.ts';

const REJOIN_MIN_MS = 200;
const REJOIN_MAX_MS = 5_000;

/**
 * A member of a Kafka consumer group. kafkajs' consumer is there for the membership alone: it says which partitions
 * are ours and keeps its heartbeat; its own fetching is paused for good, since each partition is read by its owner
 * (`fetch.ts`), fenced by its producer (`owned.ts`).
 */
export class KafkaSubscription implements Subscription {
  readonly ready: Promise<void>;
  readonly #context: Acquisition;
  readonly #group: string;
  readonly #topic: Topic;
  readonly #handler: PartitionHandler;
  readonly #onError: (error: unknown, partition: number | null) => void;
  readonly #sessionTimeoutMs: number;
  readonly #closing = new AbortController();
  /** Partitions that the group gave us. */
  readonly #assigned = new Map<number, AbortController>();
  /** Ends of what runs on a partition: of one that was given back and came again, the old one first. */
  readonly #loops = new Map<number, Promise<void>>();
  readonly #held = new Map<number, Ownership>();
  /** Resolves when it was closed and all of it has ended. */
  readonly ended: Promise<void>;
  #isReady: () => void = () => {};

  constructor(
    context: Acquisition,
    group: string,
    topic: Topic,
    handler: PartitionHandler,
    onError: (error: unknown, partition: number | null) => void,
    sessionTimeoutMs: number,
  ) {
    this.#context = context;
    this.#group = group;
    this.#topic = topic;
    this.#handler = handler;
    this.#onError = (error, partition) => {
      // Who closes doesn't ask for what was not finished.
      if (!this.#closing.signal.aborted) onError(error, partition);
    };
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    this.ended = this.#run();
  }

  partitions(): number[] {
    return [...this.#held.keys()].sort((a, b) => a - b);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const ownership of this.#held.values()) ownership.close();
    await this.ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    await retry(
      async () => {
        await this.#belong();
        // Left for another reason than closing: join again.
        if (!signal.aborted) throw unavailable(`The group ${this.#group} was left`, this.#left);
      },
      {
        pauseMs: REJOIN_MIN_MS,
        maxPauseMs: REJOIN_MAX_MS,
        attempts: Number.POSITIVE_INFINITY,
        signal,
        onRetry: (error) => this.#onError(error, null),
      },
    ).catch((error: unknown) => {
      if (!signal.aborted) this.#onError(error, null);
    });
    this.#isReady();
  }

  #left: unknown;

  /** Joins the group, and stays until closing or until kafkajs gives up. */
  async #belong(): Promise<void> {
    const consumer = this.#context.client.consumer(this.#group, {
      sessionTimeoutMs: this.#sessionTimeoutMs,
    });
    const left = new AbortController();
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.#left = payload.error;
      left.abort();
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.#assign(consumer, payload.memberAssignment[this.#topic] ?? []);
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [this.#topic], fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => {} });
      await untilAborted(AbortSignal.any([left.signal, this.#closing.signal]));
    } catch (error) {
      throw unavailable(`The group ${this.#group} can't be joined`, error);
    } finally {
      await this.#giveUpAll(this.#closing.signal.aborted ? null : 'the membership in the group ended');
      await consumer.disconnect().catch((error: unknown) => {
        this.#context.log.debug({ err: error }, 'A Kafka consumer did not disconnect well');
      });
    }
  }

  /** Takes the group's word, within one turn: kafkajs fetches nothing before it sees the pause. */
  #assign(consumer: Consumer, partitions: readonly number[]): void {
    if (partitions.length > 0) consumer.pause([{ topic: this.#topic, partitions: [...partitions] }]);
    for (const partition of this.#assigned.keys())
      if (!partitions.includes(partition)) this.#giveUp(partition, 'the group gave it to another member');
    for (const partition of partitions) if (!this.#assigned.has(partition)) this.#begin(partition);
    this.#isReady();
  }

  #begin(partition: number): void {
    const stop = new AbortController();
    this.#assigned.set(partition, stop);
    const before = this.#loops.get(partition) ?? Promise.resolve();
    const loop = before.then(() =>
      holdPartition(
        () => this.#acquire(partition, stop.signal),
        this.#handler,
        AbortSignal.any([stop.signal, this.#closing.signal]),
        (error) => this.#onError(error, partition),
      ),
    );
    this.#loops.set(partition, loop);
  }

  async #acquire(partition: number, stop: AbortSignal): ReturnType<typeof acquire> {
    const ownership = new Ownership(this.#group, this.#topic, partition);
    const holding = await acquire(this.#context, ownership);
    if (stop.aborted) ownership.lose('the group gave it to another member');
    if (this.#closing.signal.aborted) ownership.close();
    this.#held.set(partition, ownership);
    return {
      ...holding,
      end: async () => {
        this.#held.delete(partition);
        await holding.end();
      },
    };
  }

  #giveUp(partition: number, why: string | null): void {
    if (why !== null) this.#held.get(partition)?.lose(why);
    this.#assigned.get(partition)?.abort();
    this.#assigned.delete(partition);
  }

  async #giveUpAll(why: string | null): Promise<void> {
    for (const partition of [...this.#assigned.keys()]) this.#giveUp(partition, why);
    await Promise.all(this.#loops.values());
    this.#loops.clear();
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return sleep(2 ** 31 - 1, signal);
}
