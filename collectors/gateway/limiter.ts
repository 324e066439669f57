import type { GatewayBucket } from '../../schemas/gateway.ts';
import { type BucketRate, type BucketState, fullBucket, refilled, waitMs } from './bucket.ts';
import { compileSelector, type Selector, type Subject, selects } from './rules.ts';

/** One request as buckets see it. */
export interface Countable extends Subject {
  readonly isToolCall: boolean;
}

export interface OverLimit {
  readonly bucket: string;
  readonly retryAfterMs: number;
}

interface Compiled extends BucketRate {
  readonly id: string;
  readonly per: GatewayBucket['per'];
  readonly counts: GatewayBucket['counts'];
  readonly selector: Selector;
  /** By key; the longest unused first. */
  readonly states: Map<string, BucketState>;
}

/**
 * Buckets of one rule that are kept. Past it the one that was unused the longest goes, and is full when it comes back:
 * a flood of new names costs bounded memory.
 */
const MAX_STATES = 100_000;

/** Token buckets of this process. A request, or a batch, takes from all that fit it or from none. */
export class Limiter {
  readonly #buckets: readonly Compiled[];

  constructor(buckets: readonly GatewayBucket[]) {
    this.#buckets = buckets.map((bucket) => ({
      id: bucket.id,
      per: bucket.per,
      counts: bucket.counts,
      ratePerS: bucket.rate_per_s,
      burst: bucket.burst,
      selector: compileSelector(bucket),
      states: new Map(),
    }));
  }

  /** Takes a token for each; or says of the bucket that is full again last when that is, and takes nothing. */
  take(requests: readonly Countable[], nowMs: number): OverLimit | undefined {
    if (this.#buckets.length === 0) return undefined;
    const wanted = new Map<Compiled, Map<string, number>>();
    for (const bucket of this.#buckets) {
      for (const request of requests) {
        if (bucket.counts === 'tools' && !request.isToolCall) continue;
        if (!selects(bucket.selector, request)) continue;
        const key = keyOf(bucket, request);
        const keys = wanted.get(bucket) ?? new Map<string, number>();
        keys.set(key, (keys.get(key) ?? 0) + 1);
        wanted.set(bucket, keys);
      }
    }
    let worst: OverLimit | undefined;
    const after: [Compiled, string, BucketState][] = [];
    for (const [bucket, keys] of wanted) {
      for (const [key, tokens] of keys) {
        const state = refilled(bucket.states.get(key) ?? fullBucket(bucket, nowMs), bucket, nowMs);
        const retryAfterMs = waitMs(state, bucket, tokens);
        if (retryAfterMs > (worst?.retryAfterMs ?? 0)) worst = { bucket: bucket.id, retryAfterMs };
        after.push([bucket, key, { tokens: state.tokens - tokens, atMs: nowMs }]);
      }
    }
    if (worst !== undefined) return worst;
    for (const [bucket, key, state] of after) {
      bucket.states.delete(key);
      bucket.states.set(key, state);
      if (bucket.states.size > MAX_STATES) bucket.states.delete(bucket.states.keys().next().value as string);
    }
    return undefined;
  }
}

/** What a subject lacks is a name of its own: callers without a team share one bucket. */
function keyOf(bucket: Compiled, subject: Countable): string {
  let key = '';
  for (const field of bucket.per) {
    const value = subject[field];
    key += value === null ? '-\0' : `=${value}\0`;
  }
  return key;
}
