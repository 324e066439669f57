/**
 * All money is a count of pico-dollars (1e-12 USD) as `bigint`; on the wire it is a decimal string of USD with up
 * to 12 digits after the point, which ClickHouse reads as `Decimal(38, 12)`.
 */
export type Pico = bigint;

export const PICO_PER_USD = 1_000_000_000_000n;

const DECIMAL = /^(-?)(\d{1,26})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,3}))?$/;

/** USD decimal string of an amount: no trailing zeros, no exponent ("0.0000025", "-3", "0"). */
export function formatUsd(amount: Pico): string {
  const sign = amount < 0n ? '-' : '';
  const abs = amount < 0n ? -amount : amount;
  const fraction = (abs % PICO_PER_USD).toString().padStart(12, '0').replace(/0+$/, '');
  return `${sign}${abs / PICO_PER_USD}${fraction === '' ? '' : `.${fraction}`}`;
}

/**
 * Parses a USD decimal string ("0.25", "2.5e-6"). Returns null when it is not a decimal number, or is finer than
 * a pico-dollar (rounding is never silent).
 */
export function parseUsd(text: string): Pico | null {
  return parseScaled(text, 12);
}

/** A decimal string as an integer count of 10^-scale, or null where it is not exactly one. */
export function parseScaled(text: string, scale: number): bigint | null {
  const match = DECIMAL.exec(text);
  if (match === null) return null;
  const [, sign = '', whole = '0', fraction = '', exponent = '0'] = match;
  const shift = scale - fraction.length + Number(exponent);
  let digits = BigInt(whole + fraction);
  if (shift >= 0) {
    if (shift > 60) return digits === 0n ? 0n : null;
    digits *= 10n ** BigInt(shift);
  } else {
    const unit = 10n ** BigInt(-shift);
    if (digits % unit !== 0n) return null;
    digits /= unit;
  }
  return sign === '-' ? -digits : digits;
}
