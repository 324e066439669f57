export interface BucketRate {
  /** Tokens that come back a second; more than 0. */
  readonly ratePerS: number;
  /** Tokens that a full bucket holds; at least 1. */
  readonly burst: number;
}

/** A bucket at one moment. */
export interface BucketState {
  readonly tokens: number;
  readonly atMs: number;
}

export const fullBucket = ({ burst }: BucketRate, nowMs: number): BucketState => ({
  tokens: burst,
  atMs: nowMs,
});

/** The bucket as it stands now. A clock that went back brings nothing, and takes nothing. */
export function refilled(state: BucketState, { ratePerS, burst }: BucketRate, nowMs: number): BucketState {
  const passedMs = Math.max(0, nowMs - state.atMs);
  return { tokens: Math.min(burst, state.tokens + (passedMs * ratePerS) / 1000), atMs: nowMs };
}

/** Milliseconds until a refilled bucket holds so many tokens; 0: it does. Infinity: it never will. */
export function waitMs({ tokens }: BucketState, { ratePerS, burst }: BucketRate, wanted: number): number {
  if (tokens >= wanted) return 0;
  return wanted > burst ? Number.POSITIVE_INFINITY : Math.ceil(((wanted - tokens) * 1000) / ratePerS);
}
