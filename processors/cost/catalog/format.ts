/**
 * The bundled catalogue, as `scripts/prices.ts` writes it: NDJSON, a header and then one model a line. Prices are
 * decimal text, USD per million tokens (`request`: USD per request).
 */
export interface CatalogHeader {
  /** Names these very bytes; part of every price id. */
  readonly version: string;
  /** When these prices became known here. */
  readonly recorded_at: string;
  readonly sources: readonly { readonly name: string; readonly version: string; readonly licence: string }[];
  /** Providers of genai-prices: which model names are theirs, and whose models they serve at the same price. */
  readonly providers: readonly {
    readonly id: string;
    readonly match?: Match;
    readonly fallback?: readonly string[];
  }[];
}

export interface CatalogModel {
  readonly source: 'genai-prices' | 'litellm';
  /** The provider by the source's own name. */
  readonly provider: string;
  readonly model: string;
  /** Absent: the name itself. */
  readonly match?: Match;
  /** Of those valid at a time, the last one holds; before all of them, the first. */
  readonly prices: readonly PriceSet[];
}

/** genai-prices' match clauses. Case does not matter. */
export type Match =
  | { readonly equals: string }
  | { readonly starts_with: string }
  | { readonly ends_with: string }
  | { readonly contains: string }
  | { readonly regex: string }
  | { readonly or: readonly Match[] }
  | { readonly and: readonly Match[] };

/** Seconds of the UTC day, first included, second not; may span midnight. */
export type Daily = readonly [number, number];

/**
 * A tier's rate is for the whole request, where its input (with cache reads and writes) is more than the tier's
 * start, tokens. Both tables are so.
 */
export type Rate = string | { readonly base: string; readonly tiers: readonly (readonly [number, string])[] };

export interface PriceSet {
  /** First day, UTC. */
  from?: string;
  daily?: Daily;
  input?: Rate;
  output?: Rate;
  cache_read?: Rate;
  cache_write?: Rate;
  /** Cache writes that live an hour. */
  cache_write_1h?: Rate;
  reasoning?: Rate;
  request?: string;
}
