import { createHash } from 'node:crypto';
import type { ForeignChunk } from '../../schemas/dedupe-state.ts';
import type { RawRecord } from '../../schemas/record.ts';
import { IdBuckets } from './id-buckets.ts';
import { ID_BYTES } from './id-set.ts';
import type { Verdict } from './lane.ts';

const HOUR_MS = 3_600_000;
/** For how long a foreign id is known; an event that claims to be older can't be told from a repetition. */
export const FOREIGN_WINDOW_MS = 24 * HOUR_MS;
/** A clock that is ahead, and a batch on its way, may stretch the window a little. */
const SLACK_MS = HOUR_MS;
/** Dead letters can be replayed for as long as they may be kept. */
const REPLAY_WINDOW_MS = 366 * 24 * HOUR_MS;
/** Ids kept a partition: 2 million take 50–90 MB. */
export const MAX_FOREIGN_IDS = 2_000_000;

/**
 * Events from outside have an id and no coordinates. Which ids came in is known for 24 hours; which of them are dead
 * letters, as long; which came in by a replay, for a year. A dead one only comes in by a replay, once.
 */
export class ForeignIds {
  readonly #sets: { seen: IdBuckets; dead: IdBuckets; replayed: IdBuckets };

  constructor(maxIds = MAX_FOREIGN_IDS) {
    const recent = { bucketMs: HOUR_MS, keepMs: FOREIGN_WINDOW_MS + SLACK_MS, maxIds };
    this.#sets = {
      seen: new IdBuckets({ ...recent, set: 'seen' }),
      dead: new IdBuckets({ ...recent, set: 'dead' }),
      replayed: new IdBuckets({
        set: 'replayed',
        bucketMs: 24 * HOUR_MS,
        keepMs: REPLAY_WINDOW_MS,
        maxIds,
      }),
    };
  }

  check(record: RawRecord, nowMs: number): Verdict {
    if (record.foreignId === undefined || record.foreignId === '') return NO_ID;
    const id = idOf(record.foreignId);
    const { seen, dead, replayed } = this.#sets;
    const isReplay = record.replayOf !== undefined;
    if (replayed.has(id, nowMs)) return { kind: 'duplicate' };
    if (seen.has(id, nowMs) && !(isReplay && dead.has(id, nowMs))) return { kind: 'duplicate' };
    const into = isReplay ? replayed : seen;
    if (into.isFull) return FULL;
    into.add(id, nowMs);
    return { kind: 'accept', late: false };
  }

  /** An event of this batch that was accepted is a dead letter after all. */
  markDead(record: RawRecord, nowMs: number): void {
    if (record.foreignId === undefined) return;
    const id = idOf(record.foreignId);
    if (record.replayOf !== undefined) this.#sets.replayed.forget(id);
    else this.#sets.dead.add(id, nowMs);
  }

  load(chunk: ForeignChunk, bytes: Uint8Array): void {
    this.#sets[chunk.set].load(chunk, bytes);
  }

  *takeDirty(): Generator<{ key: string; value: Uint8Array }> {
    for (const set of Object.values(this.#sets)) yield* set.takeDirty();
  }

  *sweep(nowMs: number): Generator<string> {
    for (const set of Object.values(this.#sets)) yield* set.sweep(nowMs);
  }
}

function idOf(foreignId: string): Uint8Array {
  return createHash('sha256').update(foreignId).digest().subarray(0, ID_BYTES);
}

const NO_ID: Verdict = {
  kind: 'dead',
  dead: {
    code: 'TM_FOREIGN_NO_ID',
    message: 'the event has neither coordinates nor an id',
    hint: 'Send an id with each event, the same one when it is sent again.',
  },
};
const FULL: Verdict = {
  kind: 'dead',
  dead: {
    code: 'TM_FOREIGN_FULL',
    message: 'more ids came within a day than are kept',
    hint: 'Send through a collector, or add partitions; then replay the dead letter.',
  },
};
