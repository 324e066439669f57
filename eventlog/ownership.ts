import type { ToolmeterError } from '../core/errors.ts';
import { sleep } from '../core/retry.ts';
import type { Topic } from '../schemas/topics.ts';
import { partitionLost } from './errors.ts';
import type { OwnedPartition, PartitionHandler } from './port.ts';

/** Whether a partition is still held: the state behind `OwnedPartition.signal`. Ends once, as lost or as closing. */
export class Ownership {
  readonly group: string;
  readonly topic: Topic;
  readonly partition: number;
  readonly #controller = new AbortController();
  #lost: ToolmeterError | undefined;

  constructor(group: string, topic: Topic, partition: number) {
    this.group = group;
    this.topic = topic;
    this.partition = partition;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Marks the partition as lost; returns the error that says so. */
  lose(why: string, cause?: unknown): ToolmeterError {
    this.#lost ??= partitionLost(this.group, this.topic, this.partition, why, cause);
    this.#controller.abort(this.#lost);
    return this.#lost;
  }

  /** Asks the handler to end; what it has begun it may still commit. */
  close(): void {
    this.#controller.abort();
  }

  /** @throws ToolmeterError TM_PARTITION_LOST */
  assertHeld(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }
}

/** An acquired partition; `end` frees what it holds (the group's claim stays until another acquires it). */
export interface Holding {
  readonly owned: OwnedPartition;
  readonly ownership: Ownership;
  end(): Promise<void>;
}

/** Pause before a partition that was given up is acquired anew; it doubles while that goes on. Milliseconds. */
const REACQUIRE_MIN_MS = 100;
const REACQUIRE_MAX_MS = 5_000;
/** A handler that ran at least this long was well: the next pause is the shortest again. */
const WELL_MS = 30_000;

/**
 * Acquires a partition and runs the handler on it, again and again, until `stop` aborts. `acquire` must begin with the
 * fence; what it or the handler throws goes to `onError`.
 */
export async function holdPartition(
  acquire: () => Promise<Holding>,
  handler: PartitionHandler,
  stop: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  for (let pauseMs = REACQUIRE_MIN_MS; !stop.aborted; pauseMs = Math.min(pauseMs * 2, REACQUIRE_MAX_MS)) {
    const begun = performance.now();
    let holding: Holding | undefined;
    try {
      holding = await acquire();
      await handler(holding.owned);
    } catch (error) {
      onError(error);
    } finally {
      holding?.ownership.lose('its handler has ended');
      await holding?.end().catch(onError);
    }
    if (performance.now() - begun > WELL_MS) pauseMs = REACQUIRE_MIN_MS;
    await sleep(pauseMs, stop);
  }
}
