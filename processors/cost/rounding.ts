/** `numerator / denominator` (> 0), ties to even: the one rounding that money may go through, once a line. */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  let quotient = numerator / denominator;
  const rest = numerator - quotient * denominator;
  if (rest === 0n) return quotient;
  const twice = (rest < 0n ? -rest : rest) * 2n;
  if (twice > denominator || (twice === denominator && (quotient & 1n) === 1n))
    quotient += numerator < 0n ? -1n : 1n;
  return quotient;
}
