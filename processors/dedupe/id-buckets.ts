import { type ForeignChunk, type ForeignSet, foreignKey } from '../../schemas/dedupe-state.ts';
import { ID_BYTES, IdSet } from './id-set.ts';

/** Ids in one record of the state topic; the newest record of a bucket is written again while it fills. */
const CHUNK_IDS = 512;

interface Bucket {
  readonly ids: IdSet;
  /** The chunk that is being filled, and how many ids it has. */
  chunk: number;
  filled: number;
  bytes: Uint8Array;
}

export interface IdBucketsOptions {
  readonly set: ForeignSet;
  /** Width of a bucket, and for how long after its end an id is known. Milliseconds. */
  readonly bucketMs: number;
  readonly keepMs: number;
  /** Ids that are kept in all. */
  readonly maxIds: number;
}

/**
 * Ids of some span of time, in buckets that are dropped whole. What was added since the last `takeDirty` can be taken
 * back; after it, it is state.
 */
export class IdBuckets {
  readonly #options: IdBucketsOptions;
  readonly #buckets = new Map<number, Bucket>();
  readonly #pending = new Map<string, { bucket: number; id: Uint8Array }>();
  /** Ids in the buckets. */
  #stored = 0;

  constructor(options: IdBucketsOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#stored + this.#pending.size >= this.#options.maxIds;
  }

  /** True where the id was added less than `keepMs` before `nowMs`. */
  has(id: Uint8Array, nowMs: number): boolean {
    if (this.#pending.size > 0 && this.#pending.has(text(id))) return true;
    for (const [number, { ids }] of this.#buckets)
      if (!this.#isOver(number, nowMs) && ids.has(id)) return true;
    return false;
  }

  add(id: Uint8Array, nowMs: number): void {
    this.#pending.set(text(id), { bucket: Math.floor(nowMs / this.#options.bucketMs), id });
  }

  /** Takes back what was added since the last `takeDirty`. */
  forget(id: Uint8Array): void {
    this.#pending.delete(text(id));
  }

  load(chunk: ForeignChunk, bytes: Uint8Array): void {
    const bucket = this.#bucket(chunk.bucket);
    for (let at = 0; at + ID_BYTES <= bytes.length; at += ID_BYTES)
      if (bucket.ids.add(bytes.subarray(at, at + ID_BYTES))) this.#stored++;
    const filled = Math.floor(bytes.length / ID_BYTES);
    if (chunk.chunk < bucket.chunk || (chunk.chunk === bucket.chunk && filled < bucket.filled)) return;
    bucket.chunk = chunk.chunk;
    bucket.filled = filled;
    bucket.bytes.set(bytes.subarray(0, filled * ID_BYTES));
    if (filled === CHUNK_IDS) {
      bucket.chunk++;
      bucket.filled = 0;
    }
  }

  *takeDirty(): Generator<{ key: string; value: Uint8Array }> {
    const touched = new Set<number>();
    for (const { bucket: number, id } of this.#pending.values()) {
      const bucket = this.#bucket(number);
      if (!bucket.ids.add(id)) continue;
      this.#stored++;
      bucket.bytes.set(id, bucket.filled * ID_BYTES);
      bucket.filled++;
      touched.add(number);
      if (bucket.filled < CHUNK_IDS) continue;
      yield this.#chunk(number, bucket);
      bucket.chunk++;
      bucket.filled = 0;
      touched.delete(number);
    }
    this.#pending.clear();
    for (const number of touched) yield this.#chunk(number, this.#bucket(number));
  }

  /** Drops the buckets that nothing rests on any more; yields their keys. */
  *sweep(nowMs: number): Generator<string> {
    for (const [number, bucket] of this.#buckets) {
      if (!this.#isOver(number, nowMs)) continue;
      this.#buckets.delete(number);
      this.#stored -= bucket.ids.size;
      const last = bucket.filled > 0 ? bucket.chunk : bucket.chunk - 1;
      for (let chunk = 0; chunk <= last; chunk++)
        yield foreignKey({ set: this.#options.set, bucket: number, chunk });
    }
  }

  #isOver(bucket: number, nowMs: number): boolean {
    return (bucket + 1) * this.#options.bucketMs + this.#options.keepMs < nowMs;
  }

  #bucket(number: number): Bucket {
    let bucket = this.#buckets.get(number);
    if (bucket === undefined) {
      bucket = { ids: new IdSet(), chunk: 0, filled: 0, bytes: new Uint8Array(CHUNK_IDS * ID_BYTES) };
      this.#buckets.set(number, bucket);
    }
    return bucket;
  }

  #chunk(number: number, bucket: Bucket): { key: string; value: Uint8Array } {
    return {
      key: foreignKey({ set: this.#options.set, bucket: number, chunk: bucket.chunk }),
      value: bucket.bytes.slice(0, bucket.filled * ID_BYTES),
    };
  }
}

function text(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, ID_BYTES).toString('latin1');
}
