import type { Topic } from '../../schemas/topics.ts';
import { hasCode } from '../errors.ts';
import type { Ownership } from '../ownership.ts';
import type { LogRecord, NewRecord, OwnedPartition, Position } from '../port.ts';
import type { SkipWatch } from '../skipped.ts';
import type { Membership } from './membership.ts';
import type { Store } from './store.ts';

/** Records that `readCompacted` takes from the file at a time. */
const PAGE = { maxRecords: 2_000, maxBytes: 4 * 1024 * 1024 };

/** A partition of the embedded log, held under an owner epoch that each transaction checks. */
export class EmbeddedOwned implements OwnedPartition {
  readonly group: string;
  readonly topic: Topic;
  readonly partition: number;
  readonly signal: AbortSignal;
  readonly #store: Store;
  readonly #ownership: Ownership;
  readonly #membership: Membership;
  readonly #epoch: number;
  readonly #skips: SkipWatch;

  constructor(store: Store, ownership: Ownership, membership: Membership, epoch: number, skips: SkipWatch) {
    this.group = ownership.group;
    this.topic = ownership.topic;
    this.partition = ownership.partition;
    this.signal = ownership.signal;
    this.#store = store;
    this.#ownership = ownership;
    this.#membership = membership;
    this.#epoch = epoch;
    this.#skips = skips;
  }

  async committed(): Promise<Position | null> {
    this.#ownership.assertHeld();
    return this.#store.look(() => this.#store.positions.get(this.group, this.topic, this.partition));
  }

  async read(
    from: bigint,
    limit: { maxRecords: number; maxBytes: number; waitMs: number },
  ): Promise<LogRecord[]> {
    const deadline = performance.now() + limit.waitMs;
    for (;;) {
      this.#ownership.assertHeld();
      const records = await this.#store.read(this.topic, this.partition, from, limit);
      if (records[0]?.offset !== from) await this.#checkSkipped(from);
      const leftMs = deadline - performance.now();
      if (records.length > 0 || leftMs <= 0 || this.signal.aborted) return records;
      await this.#store.wake.wait(leftMs, this.signal);
    }
  }

  async #checkSkipped(from: bigint): Promise<void> {
    const { partition, topic } = this;
    const { committed, low } = await this.#store.look(() => ({
      committed: this.#store.positions.get(this.group, topic, partition),
      low: this.#store.tables.bounds(this.#store.tables.topic(topic), partition).low,
    }));
    this.#skips.check(partition, from, committed?.offset ?? null, BigInt(low));
  }

  async transact(records: readonly NewRecord[], position: Position | null): Promise<void> {
    this.#ownership.assertHeld();
    const batch = this.#store.check(records);
    try {
      await this.#store.writer.write(batch.sizeBytes, () => {
        if (!this.#membership.owns(this.partition, this.#epoch))
          throw this.#ownership.lose('another member has acquired it');
        this.#store.put(batch);
        if (position !== null) this.#store.positions.put(this.group, this.topic, this.partition, position);
      });
    } catch (error) {
      if (hasCode(error, 'TM_LOG_UNAVAILABLE'))
        throw this.#ownership.lose("a transaction's outcome is not known", error);
      throw error;
    }
  }

  async *readCompacted(topic: Topic): AsyncIterable<{ key: string; value: Buffer }> {
    // Without an upper end: a key that is superseded while this goes on moves ahead and is met there.
    for (let from = 0n; ; ) {
      this.#ownership.assertHeld();
      const page = await this.#store.read(topic, this.partition, from, PAGE);
      for (const { key, value } of page) if (key !== null && value !== null) yield { key, value };
      const last = page.at(-1);
      if (last === undefined) return;
      from = last.offset + 1n;
    }
  }
}
