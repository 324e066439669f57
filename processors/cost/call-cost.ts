import { formatUsd, type Pico, parseUsd } from '../../core/money.ts';
import type { CostLine, ObservedCall } from '../../schemas/call-event.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import type { Catalog } from './index.ts';
import { FINE_PER_PICO, type PriceKind, rateOf } from './price.ts';
import { priceId } from './price-id.ts';
import { divideHalfEven } from './rounding.ts';
import { amountOf, UNPRICED, unitPriceUsd } from './usage.ts';

export type Basis = CostLine['basis'];

export interface CallCost {
  readonly lines: CostLine[];
  /** The exact sum of the lines. */
  readonly amount: Pico;
  /** The least certain basis among the lines: `unpriced` says that a part of the call has no price. */
  readonly basis: Basis;
}

/** From certain to unknown. */
const ORDER: readonly Basis[] = ['reported', 'metered', 'estimated', 'unpriced'];

/**
 * What a call costs: the tool's fee, the arguments as output of the model, the result and the tool definitions as its
 * input, at prices that held when it began. Only the observation that counts costs anything: the others are of the
 * same call, and the sum over all rows must be the spend. A cost that a trusted collector reports is the whole.
 *
 * basis of a line: `reported` for a reported cost; `metered` for counted units at a known price; `estimated` where the tokens are
 * an estimate or the model comes from a rule; `unpriced`, amount 0, where there is no price. A call
 * without a line had no fee and put nothing before a model: it costs 0, `metered`.
 *
 * The context tier of the model's request is not visible from one tool call in it: the tier is that of the call's own
 * input, which is the base price unless the call alone exceeds the limit.
 */
export function costOf(catalog: Catalog, row: Readonly<MeteredCall>, event: ObservedCall): CallCost {
  if (!row.counted) return { lines: [], amount: 0n, basis: 'metered' };
  if (row.trusted && event.cost !== undefined) return reported(event.cost.amount_usd);
  const atMs = Date.parse(row.ts);
  const lines = [...feeLines(catalog, row, atMs), ...tokenLines(catalog, row, event, atMs)];
  return summed(lines);
}

/** Lines with their sum and the least certain basis among them; without lines 0, and certain. */
export function summed(lines: readonly CostLine[]): CallCost {
  let amount = 0n;
  let basis = ORDER.indexOf(lines.length === 0 ? 'metered' : 'reported');
  for (const line of lines) {
    // The schema holds amounts to 12 digits after the point, which is what a pico-dollar is.
    amount += parseUsd(line.amount_usd) ?? 0n;
    basis = Math.max(basis, ORDER.indexOf(line.basis));
  }
  return { lines: [...lines], amount, basis: ORDER[basis] as Basis };
}

function reported(amount: string): CallCost {
  const usd = formatUsd(parseUsd(amount) ?? 0n);
  return summed([
    {
      kind: 'reported',
      quantity: usd,
      unit: 'usd',
      unit_price_usd: '1',
      amount_usd: usd,
      price_id: 'reported',
      basis: 'reported',
    },
  ]);
}

/** Microseconds in a second: durations are charged to the microsecond. */
const MICROS = 1_000_000n;

function feeLines(catalog: Catalog, row: Readonly<MeteredCall>, atMs: number): CostLine[] {
  if (row.tool === '') return [];
  const fee = catalog.feeOf(row.server, row.tool, atMs);
  if (fee === null || !fee.outcomes.has(row.outcome)) return [];
  const perCall = fee.per === 'call';
  const micros = BigInt(row.duration_us);
  const amount = perCall
    ? amountOf(1n, fee.price)
    : divideHalfEven(micros * fee.price, MICROS * FINE_PER_PICO);
  return [
    {
      kind: 'tool_fee',
      quantity: perCall ? '1' : formatUsd(micros * MICROS),
      unit: perCall ? 'call' : 'second',
      unit_price_usd: unitPriceUsd(fee.price),
      amount_usd: formatUsd(amount),
      price_id: `${fee.version}/fee@${fee.label}:${fee.id}`.slice(0, 256),
      basis: 'metered',
    },
  ];
}

interface Part {
  readonly kind: 'arguments' | 'result' | 'definitions';
  readonly priced: PriceKind;
  readonly tokens: number;
}

function tokenLines(
  catalog: Catalog,
  row: Readonly<MeteredCall>,
  event: ObservedCall,
  atMs: number,
): CostLine[] {
  const parts = partsOf(row, event).filter(({ tokens }) => tokens > 0);
  if (parts.length === 0) return [];
  const found = row.model === '' ? null : catalog.priceOf(row.model, atMs);
  const context = parts.reduce(
    (sum, { kind, tokens }) => (kind === 'arguments' ? sum : sum + BigInt(tokens)),
    0n,
  );
  const basis = row.tokens_basis === 'estimated' || row.model_source === 'rule' ? 'estimated' : 'metered';
  return parts.map(({ kind, priced, tokens }): CostLine => {
    const quantity = BigInt(tokens);
    const line = { kind, quantity: quantity.toString(), unit: 'token' } as const;
    const rate = found === null ? null : rateOf(found.price, priced, context);
    if (found === null || rate === null) {
      const why =
        row.model === '' ? UNPRICED.noModel : found === null ? UNPRICED.unknownModel : UNPRICED.noRate;
      return { ...line, unit_price_usd: '0', amount_usd: '0', price_id: why, basis: 'unpriced' };
    }
    return {
      ...line,
      unit_price_usd: unitPriceUsd(rate.price),
      amount_usd: formatUsd(amountOf(quantity, rate.price)),
      price_id: priceId(found, rate.kind, rate.tier),
      basis,
    };
  });
}

/**
 * What the model wrote and read. Usage that a trusted collector reports has cache and reasoning apart, each at its
 * own price; else the counted tokens are plain input and output.
 */
function partsOf(row: Readonly<MeteredCall>, { usage }: ObservedCall): Part[] {
  if (!row.trusted || usage === undefined) {
    return [
      { kind: 'arguments', priced: 'output', tokens: row.tokens_arguments },
      { kind: 'result', priced: 'input', tokens: row.tokens_result },
      { kind: 'definitions', priced: 'input', tokens: row.tokens_definitions },
    ];
  }
  const read = row.method === 'tools/list' ? 'definitions' : 'result';
  return [
    { kind: 'arguments', priced: 'output', tokens: usage.output ?? 0 },
    { kind: 'arguments', priced: 'reasoning', tokens: usage.reasoning ?? 0 },
    { kind: read, priced: 'input', tokens: usage.input ?? 0 },
    { kind: read, priced: 'cache_read', tokens: usage.cache_read ?? 0 },
    { kind: read, priced: 'cache_write', tokens: usage.cache_write ?? 0 },
  ];
}
