import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatUsd, PICO_PER_USD, parseScaled, parseUsd } from '../../core/money.ts';

describe('money', () => {
  it.each([
    ['0', 0n],
    ['1', PICO_PER_USD],
    ['-0.000000000001', -1n],
    ['2.5e-6', 2_500_000n],
    ['1E-12', 1n],
    ['1.50', 1_500_000_000_000n],
  ])('parses %s', (text, pico) => expect(parseUsd(text)).toBe(pico));

  it.each(['', '.', '1.', '.5', 'NaN', '1e-13', '0.0000000000001', '0x1', '1_000', ' 1', 'Infinity'])(
    'refuses %j rather than round it',
    (text) => expect(parseUsd(text)).toBeNull(),
  );

  it('writes what it reads', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), (pico) => {
        expect(parseUsd(formatUsd(pico))).toBe(pico);
        expect(formatUsd(pico)).toMatch(/^-?\d+(\.\d*[1-9])?$/);
      }),
    );
  });

  it('scales by any power of ten', () => {
    expect(parseScaled('1e-18', 18)).toBe(1n);
    expect(parseScaled('3', 0)).toBe(3n);
    expect(parseScaled('0.5', 0)).toBeNull();
  });
});
