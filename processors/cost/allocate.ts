import { ToolmeterError } from '../../core/errors.ts';

/**
 * Divides `total` in proportion to `weights` by largest remainder (Hamilton's method): the parts sum to `total`,
 * each is within one unit of its exact share, and of equal remainders the earlier part is served first. A negative
 * total is divided as its mirror image. Where all weights are 0 the parts are equal but for that rule.
 * @throws ToolmeterError TM_ALLOCATE for a negative weight, or for a total that is not 0 and no parts.
 */
export function allocate(total: bigint, weights: readonly bigint[]): bigint[] {
  if (weights.some((weight) => weight < 0n))
    throw new ToolmeterError(
      'TM_ALLOCATE',
      'a weight is negative',
      'Weights count something: use 0 or more.',
    );
  if (weights.length === 0) {
    if (total === 0n) return [];
    throw new ToolmeterError('TM_ALLOCATE', 'there is nothing to allocate to', 'Give at least one weight.');
  }
  const sign = total < 0n ? -1n : 1n;
  const amount = total * sign;
  let sum = weights.reduce((a, b) => a + b, 0n);
  let shares: readonly bigint[] = weights;
  if (sum === 0n) {
    sum = BigInt(weights.length);
    shares = weights.map(() => 1n);
  }
  const parts = shares.map((weight) => (amount * weight) / sum);
  const remainders = shares.map((weight, index) => ({ index, rest: (amount * weight) % sum }));
  let left = Number(amount - parts.reduce((a, b) => a + b, 0n));
  remainders.sort((a, b) => (a.rest === b.rest ? a.index - b.index : a.rest > b.rest ? -1 : 1));
  for (const { index } of remainders) {
    if (left-- <= 0) break;
    parts[index] = (parts[index] as bigint) + 1n;
  }
  return parts.map((part) => part * sign);
}
