import { formatUsd, type Pico } from '../../core/money.ts';
import type { Catalog } from './index.ts';
import { amountOf, type PriceKind, rateOf, TOKEN_KINDS, type TokenKind } from './price.ts';
import { priceId, rateId } from './price-id.ts';

/** Tokens, disjoint: `input` without cache reads and writes, `output` without reasoning. */
export type TokenUsage = Partial<Record<TokenKind, bigint>>;

export interface UsageLine {
  readonly kind: PriceKind;
  readonly quantity: string;
  readonly unit: 'token' | 'call';
  /** Rounded to a pico-dollar; the amount is quantity times the exact price, rounded once. */
  readonly unit_price_usd: string;
  readonly amount_usd: string;
  readonly price_id: string;
  readonly basis: 'metered' | 'unpriced';
}

export interface PricedUsage {
  /** The exact sum of the lines. */
  readonly amount: Pico;
  readonly lines: readonly UsageLine[];
  /** Of the model's price, without the kind; `unpriced/…` where it has none. */
  readonly price_id: string;
}

/** Why there is no price; in the place of a price id. */
export const UNPRICED = {
  noModel: 'unpriced/no-model',
  unknownModel: 'unpriced/unknown-model',
  noRate: 'unpriced/no-rate',
} as const;

/**
 * What a model's request cost: with the prices that were valid at `atMs` and known at `knownMs` (default: all that
 * the catalogue knows). The context tier is chosen by input and cache tokens together. A model that is not in the
 * catalogue, and a kind that has no price, give lines with basis `unpriced` and amount 0: never another's price.
 */
export function priceUsage(
  catalog: Catalog,
  request: {
    readonly model: string;
    readonly atMs: number;
    readonly usage: TokenUsage;
    readonly knownMs?: number | undefined;
  },
): PricedUsage {
  const { usage } = request;
  const found = catalog.priceOf(request.model, request.atMs, request.knownMs);
  const kinds = TOKEN_KINDS.filter((kind) => (usage[kind] ?? 0n) > 0n);
  if (found === null) {
    const id = request.model.trim() === '' ? UNPRICED.noModel : UNPRICED.unknownModel;
    const lines = (kinds.length > 0 ? kinds : (['input'] as const)).map((kind) =>
      unpricedLine(kind, usage[kind] ?? 0n, id),
    );
    return { amount: 0n, lines, price_id: id };
  }
  const context =
    (usage.input ?? 0n) + (usage.cache_read ?? 0n) + (usage.cache_write ?? 0n) + (usage.cache_write_1h ?? 0n);
  const lines: UsageLine[] = [];
  let amount = 0n;
  const add = (kind: PriceKind, quantity: bigint): void => {
    const rate = rateOf(found.price, kind, context);
    if (rate === null) {
      lines.push(unpricedLine(kind, quantity, UNPRICED.noRate));
      return;
    }
    const lineAmount = amountOf(quantity, rate);
    amount += lineAmount;
    lines.push({
      kind,
      quantity: quantity.toString(),
      unit: kind === 'request' ? 'call' : 'token',
      unit_price_usd: rate.unitPriceUsd,
      amount_usd: formatUsd(lineAmount),
      price_id: rateId(found, rate),
      basis: 'metered',
    });
  };
  for (const kind of kinds) add(kind, usage[kind] as bigint);
  if (found.price.rates.has('request')) add('request', 1n);
  return { amount, lines, price_id: priceId(found) };
}

function unpricedLine(kind: PriceKind, quantity: bigint, id: string): UsageLine {
  return {
    kind,
    quantity: quantity.toString(),
    unit: 'token',
    unit_price_usd: '0',
    amount_usd: '0',
    price_id: id,
    basis: 'unpriced',
  };
}
