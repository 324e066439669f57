import type { Log } from '../core/log.ts';
import type { Topic } from '../schemas/topics.ts';

/**
 * Offsets [from, to) of a partition that retention dropped before the group had read them. Of a Kafka topic that is
 * written in transactions some are their markers, not records.
 */
export interface Skipped {
  readonly group: string;
  readonly topic: Topic;
  readonly partition: number;
  readonly from: bigint;
  readonly to: bigint;
}

export type OnSkipped = (skipped: Skipped) => void;

/** Notices where retention has been faster than one group on one topic. Each gap is logged as an error and told once. */
export class SkipWatch {
  readonly #group: string;
  readonly #topic: Topic;
  readonly #log: Log;
  readonly #onSkipped: OnSkipped | undefined;
  /** Up to where gaps of a partition have been told. */
  readonly #told = new Map<number, bigint>();

  constructor(group: string, topic: Topic, log: Log, onSkipped: OnSkipped | undefined) {
    this.#group = group;
    this.#topic = topic;
    this.#log = log;
    this.#onSkipped = onSkipped;
  }

  /**
   * The partition was asked from `asked` on, and its oldest offset is `low`. What the group has committed it has read;
   * a group that has committed nothing and begins at 0 asks for the oldest there is: nothing is skipped.
   */
  check(partition: number, asked: bigint, committed: bigint | null, low: bigint): void {
    if (committed === null && asked === 0n) return;
    let from = asked;
    for (const read of [committed ?? 0n, this.#told.get(partition) ?? 0n]) if (read > from) from = read;
    if (from >= low) return;
    this.#told.set(partition, low);
    const skipped = { group: this.#group, topic: this.#topic, partition, from, to: low };
    this.#log.error(
      { code: 'TM_LOG_SKIPPED', ...skipped, from: `${from}`, to: `${low}`, skipped: Number(low - from) },
      `${low - from} offsets were dropped by retention before ${this.#group} had read them`,
    );
    this.#onSkipped?.(skipped);
  }
}
