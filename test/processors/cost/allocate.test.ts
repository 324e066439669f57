import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocate } from '../../../processors/cost/allocate.ts';
import { divideHalfEven } from '../../../processors/cost/rounding.ts';

const weights = fc.array(fc.bigInt({ min: 0n, max: 10n ** 20n }), { minLength: 1, maxLength: 40 });
const total = fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n });
const sum = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);

describe('allocate', () => {
  it.each([
    [10n, [1n, 1n, 1n], [4n, 3n, 3n]],
    [7n, [0n, 0n], [4n, 3n]],
    [5n, [1n, 0n, 1n], [3n, 0n, 2n]],
    [100n, [1n, 2n, 3n], [17n, 33n, 50n]],
    [-10n, [1n, 1n, 1n], [-4n, -3n, -3n]],
    [0n, [3n, 4n], [0n, 0n]],
    [0n, [], []],
  ] as const)('%s over [%s]', (amount, shares, parts) => expect(allocate(amount, shares)).toEqual(parts));

  it('parts sum to the total, and each is within one unit of its exact share', () => {
    fc.assert(
      fc.property(total, weights, (amount, shares) => {
        const parts = allocate(amount, shares);
        expect(sum(parts)).toBe(amount);
        const all = sum(shares);
        for (const [i, part] of parts.entries()) {
          const [weight, of] = all === 0n ? [1n, BigInt(shares.length)] : [shares[i] as bigint, all];
          const off = part * of - amount * weight;
          expect(off < of && off > -of).toBe(true);
        }
      }),
    );
  });

  it('gives nothing to a weight of 0 beside others, and no less to a larger weight', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), weights, (amount, shares) => {
        fc.pre(sum(shares) > 0n);
        const parts = allocate(amount, shares);
        for (const [i, a] of shares.entries()) {
          if (a === 0n) expect(parts[i]).toBe(0n);
          for (const [j, b] of shares.entries())
            if (a > b) expect((parts[i] as bigint) >= (parts[j] as bigint)).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('refuses what it cannot divide', () => {
    expect(() => allocate(1n, [])).toThrow(expect.objectContaining({ code: 'TM_ALLOCATE' }));
    expect(() => allocate(1n, [1n, -1n])).toThrow(expect.objectContaining({ code: 'TM_ALLOCATE' }));
  });
});

describe('divideHalfEven', () => {
  it.each([
    [5n, 2n, 2n],
    [7n, 2n, 4n],
    [-5n, 2n, -2n],
    [-7n, 2n, -4n],
    [8n, 3n, 3n],
    [7n, 3n, 2n],
    [6n, 3n, 2n],
    [1n, 2n, 0n],
    [3n, 2n, 2n],
  ])('%s / %s = %s', (numerator, denominator, quotient) =>
    expect(divideHalfEven(numerator, denominator)).toBe(quotient),
  );
});
