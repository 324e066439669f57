import type { PricedModel } from './catalog.ts';
import { type Price, type PriceKind, type Rate, TOKEN_KINDS } from './price.ts';

/** A model with the price that held. */
export interface ModelAt {
  readonly model: PricedModel;
  readonly price: Price;
}

/**
 * `<catalogue version>/<source>:<model>@<first day, * for always>[,recorded]#<kind>[>tier]`: by it the price is found again
 * in the catalogue of that version.
 */
export function priceId({ model, price }: ModelAt): string {
  return `${model.version}/${model.source}:${model.id}@${price.label}`;
}

/** A rate belongs to one price of one model, whose id is then the same for every call. */
const ids = new WeakMap<Rate, string>();

/** The price id of a rate: with its kind and tier. */
export function rateId(at: ModelAt, rate: Rate): string {
  let id = ids.get(rate);
  if (id === undefined) {
    id = `${priceId(at)}#${rate.kind}${rate.tier === null ? '' : `>${rate.tier}`}`;
    ids.set(rate, id);
  }
  return id;
}

export interface PriceRef {
  readonly version: string;
  readonly source: string;
  readonly model: string;
  readonly label: string;
  readonly kind: PriceKind | null;
  /** Tokens of input above which it holds; null for the base price. */
  readonly tier: bigint | null;
}

const ID = /^([^/]+)\/(genai-prices|litellm|overlay):(.+)@([^@#]+?)(?:#([a-z_0-9]+)(?:>(\d+))?)?$/;
const KINDS: ReadonlySet<string> = new Set([...TOKEN_KINDS, 'request']);

/** The parts of a price id, or null where the text is none (`reported`, `unpriced/…`, a tool's fee). */
export function parsePriceId(text: string): PriceRef | null {
  const found = ID.exec(text);
  if (found === null) return null;
  const [, version = '', source = '', model = '', label = '', kind, tier] = found;
  if (kind !== undefined && !KINDS.has(kind)) return null;
  return {
    version,
    source,
    model,
    label,
    kind: (kind as PriceKind | undefined) ?? null,
    tier: tier === undefined ? null : BigInt(tier),
  };
}
