import { ToolmeterError } from '../../core/errors.ts';
import { formatUsd, type Pico, parseScaled } from '../../core/money.ts';
import type { Daily, PriceSet, Rate as RateText } from './catalog/format.ts';
import { divideHalfEven } from './rounding.ts';

/**
 * A price of one unit, USD × 10^-24 as an integer. Prices are finer than a pico-dollar in places (1.142857 USD per
 * million tokens): they are kept exactly, and an amount is rounded once, half to even.
 */
export type FinePrice = bigint;
export const FINE_SCALE = 24;
export const FINE_PER_PICO = 10n ** 12n;

export const TOKEN_KINDS = [
  'input',
  'output',
  'cache_read',
  'cache_write',
  'cache_write_1h',
  'reasoning',
] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];
export type PriceKind = TokenKind | 'request';

/** Where a source gives no price of a kind: providers that publish none bill those tokens as the plain ones. */
const STANDS_IN: Partial<Record<TokenKind, TokenKind>> = {
  cache_read: 'input',
  cache_write: 'input',
  cache_write_1h: 'cache_write',
  reasoning: 'output',
};

/** One price of one kind, with what is asked of it for every call worked out once. */
export interface Rate {
  /** The kind whose price it is: `input` where cache reads have none of their own. */
  readonly kind: PriceKind;
  /** Tokens of input above which it holds; null for the base price. */
  readonly tier: bigint | null;
  readonly price: FinePrice;
  /** Rounded to a pico-dollar, USD. */
  readonly unitPriceUsd: string;
}

export interface TieredRate {
  readonly base: Rate;
  /** By tier, ascending. */
  readonly tiers: readonly (Rate & { readonly tier: bigint })[];
}

/** Units at a rate, rounded once. */
export function amountOf(quantity: bigint, { price }: Rate): Pico {
  return divideHalfEven(quantity * price, FINE_PER_PICO);
}

export function tieredRate(
  kind: PriceKind,
  base: FinePrice,
  tiers: readonly { readonly start: bigint; readonly price: FinePrice }[] = [],
): TieredRate {
  const unit = (price: FinePrice): string => formatUsd(divideHalfEven(price, FINE_PER_PICO));
  return {
    base: { kind, tier: null, price: base, unitPriceUsd: unit(base) },
    tiers: tiers
      .map(({ start, price }) => ({ kind, tier: start, price, unitPriceUsd: unit(price) }))
      .sort((x, y) => (x.tier < y.tier ? -1 : 1)),
  };
}

/** The prices of a model in a span of valid time, known since a recorded time. */
export interface Price {
  /** Unix ms, inclusive; -Infinity where the source gives no start. */
  readonly fromMs: number;
  /** Unix ms, exclusive. */
  readonly toMs: number;
  readonly recordedMs: number;
  /** Second of the UTC day, [first, end). */
  readonly daily: Daily | null;
  /** How the price is named in ids: its first day, and its hours where it has some. */
  readonly label: string;
  readonly rates: ReadonlyMap<PriceKind, TieredRate>;
}

/** The rate of a kind for a request with this much input (cache fields included), or null where there is none. */
export function rateOf(price: Price, kind: PriceKind, contextTokens: bigint): Rate | null {
  for (let at: PriceKind | undefined = kind; at !== undefined; at = STANDS_IN[at as TokenKind]) {
    const rate = price.rates.get(at);
    if (rate === undefined) continue;
    return rate.tiers.findLast(({ tier }) => contextTokens > tier) ?? rate.base;
  }
  return null;
}

/** USD per million tokens (or per one, for `per` = 1) as a fine price. */
export function finePrice(text: string, per: 1 | 1_000_000): FinePrice {
  const price = parseScaled(text, per === 1 ? FINE_SCALE : FINE_SCALE - 6);
  if (price === null || price < 0n)
    throw new ToolmeterError(
      'TM_PRICE',
      `a price is not a decimal of 0 or more with at most ${FINE_SCALE - 6} digits after the point`,
      'Write it as plain decimal text, such as 2.5.',
    );
  return price;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** A price set of the bundled catalogue. */
export function priceOfSet(set: PriceSet, recordedMs: number): Price {
  const rates = new Map<PriceKind, TieredRate>();
  for (const kind of TOKEN_KINDS) {
    const rate = set[kind];
    if (rate !== undefined) rates.set(kind, rateOfText(kind, rate));
  }
  if (set.request !== undefined) rates.set('request', tieredRate('request', finePrice(set.request, 1)));
  const from = set.from;
  if (from !== undefined && !DAY.test(from))
    throw new ToolmeterError(
      'TM_PRICE',
      `the catalogue's day ${from} is none`,
      'Build it again: node scripts/prices.ts.',
    );
  return {
    fromMs: from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(`${from}T00:00:00Z`),
    toMs: Number.POSITIVE_INFINITY,
    recordedMs,
    daily: set.daily ?? null,
    label: `${from ?? '*'}${set.daily === undefined ? '' : `~${set.daily[0]}-${set.daily[1]}`}`,
    rates,
  };
}

function rateOfText(kind: PriceKind, rate: RateText): TieredRate {
  if (typeof rate === 'string') return tieredRate(kind, finePrice(rate, 1_000_000));
  const tiers = rate.tiers.map(([start, price]) => ({
    start: BigInt(start),
    price: finePrice(price, 1_000_000),
  }));
  return tieredRate(kind, finePrice(rate.base, 1_000_000), tiers);
}

/** Whether a price holds at a time of day, whatever its span of days. */
export function holdsAtTimeOfDay({ daily }: Price, atMs: number): boolean {
  if (daily === null) return true;
  const second = (((atMs % 86_400_000) + 86_400_000) % 86_400_000) / 1000;
  const [start, end] = daily;
  return end < start ? second >= start || second < end : second >= start && second < end;
}
