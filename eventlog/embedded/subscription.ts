import { sleep } from '../../core/retry.ts';
import type { Topic } from '../../schemas/topics.ts';
import { partitionLost } from '../errors.ts';
import { type Holding, holdPartition, Ownership } from '../ownership.ts';
import type { PartitionHandler, Subscription } from '../port.ts';
import type { SkipWatch } from '../skipped.ts';
import { Membership } from './membership.ts';
import { EmbeddedOwned } from './owned.ts';
import type { Store } from './store.ts';

/** A member that waits for its turn looks this often. Milliseconds. */
const WAIT_MS = 100;
/** Pause after the log could not be reached. */
const RETRY_MS = 1_000;

/**
 * A member of a group of the embedded log. One member holds all partitions; a second one waits, holding none, until
 * the first leaves, dies, or is silent for the length of its lease.
 */
export class EmbeddedSubscription implements Subscription {
  readonly ready: Promise<void>;
  readonly #store: Store;
  readonly #group: string;
  readonly #topic: Topic;
  readonly #handler: PartitionHandler;
  readonly #onError: (error: unknown, partition: number | null) => void;
  readonly #membership: Membership;
  readonly #skips: SkipWatch;
  readonly #renewMs: number;
  readonly #closing = new AbortController();
  readonly #held = new Map<number, Ownership>();
  /** Resolves when it was closed and all of it has ended. */
  readonly ended: Promise<void>;
  #isReady: () => void = () => {};

  constructor(
    store: Store,
    group: string,
    topic: Topic,
    handler: PartitionHandler,
    onError: (error: unknown, partition: number | null) => void,
    leaseMs: number,
    skips: SkipWatch,
  ) {
    this.#skips = skips;
    this.#store = store;
    this.#group = group;
    this.#topic = topic;
    this.#handler = handler;
    this.#onError = (error, partition) => {
      // Who closes doesn't ask for what was not finished.
      if (!this.#closing.signal.aborted) onError(error, partition);
    };
    this.#membership = new Membership(store.db, group, topic, leaseMs);
    this.#renewMs = leaseMs / 4;
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
    while (!signal.aborted) {
      try {
        const joined = await this.#join();
        this.#isReady();
        if (joined) await this.#hold();
        else await sleep(WAIT_MS, signal);
      } catch (error) {
        this.#onError(error, null);
        await sleep(RETRY_MS, signal);
      }
    }
    this.#isReady();
  }

  async #join(): Promise<boolean> {
    this.#store.tables.topic(this.#topic);
    if (!(await this.#store.look(() => this.#membership.isFree()))) return false;
    return this.#store.writer.write(0, () => this.#membership.join());
  }

  /** Holds every partition, and the lease, until closing or until another member has taken over. */
  async #hold(): Promise<void> {
    const stop = new AbortController();
    const loops: Promise<void>[] = [];
    try {
      while (!this.#closing.signal.aborted) {
        // Again each time: the topic may have grown.
        const { partitions } = this.#store.tables.topic(this.#topic);
        for (let partition = loops.length; partition < partitions; partition++)
          loops.push(this.#holdOne(partition, stop.signal));
        await sleep(this.#renewMs, this.#closing.signal);
        if (this.#closing.signal.aborted) break;
        if (!(await this.#renew())) {
          for (const ownership of this.#held.values()) ownership.lose('another member has taken over');
          break;
        }
        await this.#store.look(() => this.#store.tables.reload());
      }
    } finally {
      stop.abort();
      await Promise.all(loops);
    }
    if (this.#closing.signal.aborted) await this.#store.writer.write(0, () => this.#membership.leave());
  }

  /** False where another is the member now. A file that can't be written for the moment is no reason to give up. */
  async #renew(): Promise<boolean> {
    try {
      return await this.#store.writer.write(0, () => this.#membership.renew());
    } catch (error) {
      this.#onError(error, null);
      return true;
    }
  }

  #holdOne(partition: number, stop: AbortSignal): Promise<void> {
    return holdPartition(
      () => this.#acquire(partition),
      this.#handler,
      AbortSignal.any([stop, this.#closing.signal]),
      (error) => this.#onError(error, partition),
    );
  }

  async #acquire(partition: number): Promise<Holding> {
    const epoch = await this.#store.writer.write(0, () => this.#membership.acquire(partition));
    if (epoch === null)
      throw partitionLost(this.#group, this.#topic, partition, 'another member has taken over');
    const ownership = new Ownership(this.#group, this.#topic, partition);
    this.#held.set(partition, ownership);
    if (this.#closing.signal.aborted) ownership.close();
    return {
      owned: new EmbeddedOwned(this.#store, ownership, this.#membership, epoch, this.#skips),
      ownership,
      end: async () => {
        this.#held.delete(partition);
      },
    };
  }
}
