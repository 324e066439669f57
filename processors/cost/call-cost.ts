import { formatUsd, type Pico, parseUsd } from '../../core/money.ts';
import type { CostLine, ObservedCall } from '../../schemas/call-event.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import type { Catalog } from './index.ts';
import { amountOf, FINE_PER_PICO, type PriceKind, rateOf } from './price.ts';
import { rateId } from './price-id.ts';
import { divideHalfEven } from './rounding.ts';
import { UNPRICED } from './usage.ts';

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
 * basis of a line: `reported` for a reported cost; `metered` for counted units at a known price; `estimated` where the
 * tokens are an estimate or the model comes from a rule; `unpriced`, amount 0, where there is no price. A call without
 * a line had no fee and put nothing before a model: it costs 0, `metered`.
 *
 * The context tier of the model's request is not visible from one tool call in it: the tier is that of the call's own
 * input, which is the base price unless the call alone exceeds the limit.
 */
export function costOf(catalog: Catalog, row: Readonly<MeteredCall>, event: ObservedCall): CallCost {
  if (!row.counted) return { lines: [], amount: 0n, basis: 'metered' };
  if (row.trusted && event.cost !== undefined) return reported(event.cost.amount_usd);
  const atMs = Date.parse(row.ts);
  const tally = new Tally();
  addFee(tally, catalog, row, atMs);
  addTokens(tally, catalog, row, event, atMs);
  return tally.cost();
}

/** Lines that are given, with their sum: an adjustment's. */
export function summed(lines: readonly CostLine[]): CallCost {
  const tally = new Tally();
  // The schema holds amounts to 12 digits after the point, which is what a pico-dollar is.
  for (const line of lines) tally.add(line, parseUsd(line.amount_usd) ?? 0n);
  return tally.cost();
}

/** Lines as they come, their sum, and the least certain basis among them; of no lines, 0 for certain. */
class Tally {
  readonly #lines: CostLine[] = [];
  #amount = 0n;
  #basis = 0;

  add(line: Omit<CostLine, 'amount_usd'>, amount: Pico): void {
    this.#lines.push({ ...line, amount_usd: formatUsd(amount) });
    this.#amount += amount;
    this.#basis = Math.max(this.#basis, ORDER.indexOf(line.basis));
  }

  cost(): CallCost {
    const basis = this.#lines.length === 0 ? 'metered' : (ORDER[this.#basis] as Basis);
    return { lines: this.#lines, amount: this.#amount, basis };
  }
}

function reported(text: string): CallCost {
  const amount = parseUsd(text) ?? 0n;
  const tally = new Tally();
  tally.add(
    {
      kind: 'reported',
      quantity: formatUsd(amount),
      unit: 'usd',
      unit_price_usd: '1',
      price_id: 'reported',
      basis: 'reported',
    },
    amount,
  );
  return tally.cost();
}

/** Microseconds in a second: durations are charged to the microsecond. */
const MICROS = 1_000_000n;

function addFee(tally: Tally, catalog: Catalog, row: Readonly<MeteredCall>, atMs: number): void {
  if (row.tool === '') return;
  const fee = catalog.feeOf(row.server, row.tool, atMs);
  if (fee === null || !fee.outcomes.has(row.outcome)) return;
  const perCall = fee.per === 'call';
  const micros = BigInt(row.duration_us);
  tally.add(
    {
      kind: 'tool_fee',
      quantity: perCall ? '1' : formatUsd(micros * MICROS),
      unit: perCall ? 'call' : 'second',
      unit_price_usd: fee.rate.unitPriceUsd,
      price_id: `${fee.version}/fee@${fee.label}:${fee.id}`.slice(0, 256),
      basis: 'metered',
    },
    perCall ? amountOf(1n, fee.rate) : divideHalfEven(micros * fee.rate.price, MICROS * FINE_PER_PICO),
  );
}

interface Part {
  readonly kind: 'arguments' | 'result' | 'definitions';
  readonly priced: PriceKind;
  readonly tokens: number;
}

function addTokens(
  tally: Tally,
  catalog: Catalog,
  row: Readonly<MeteredCall>,
  event: ObservedCall,
  atMs: number,
): void {
  const parts = partsOf(row, event);
  const found = row.model === '' ? null : catalog.priceOf(row.model, atMs);
  const missing =
    row.model === '' ? UNPRICED.noModel : found === null ? UNPRICED.unknownModel : UNPRICED.noRate;
  const counted = row.tokens_basis === 'estimated' || row.model_source === 'rule' ? 'estimated' : 'metered';
  let context = 0;
  for (const { kind, tokens } of parts) if (kind !== 'arguments') context += tokens;
  for (const { kind, priced, tokens } of parts) {
    if (tokens === 0) continue;
    const rate = found === null ? null : rateOf(found.price, priced, BigInt(context));
    const [unit_price_usd, price_id, basis] =
      found === null || rate === null
        ? (['0', missing, 'unpriced'] as const)
        : ([rate.unitPriceUsd, rateId(found, rate), counted] as const);
    tally.add(
      { kind, quantity: String(tokens), unit: 'token', unit_price_usd, price_id, basis },
      rate === null ? 0n : amountOf(BigInt(tokens), rate),
    );
  }
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
