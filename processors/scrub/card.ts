/** Lengths that an issuer's numbers have. Source: ISO/IEC 7812-1 and the networks' published ranges. */
interface Range {
  readonly digits: number;
  readonly from: number;
  readonly to: number;
  readonly lengths: readonly number[];
}

const range = (from: number, to: number, ...lengths: number[]): Range => ({
  digits: String(from).length,
  from,
  to,
  lengths,
});

const LONG = [16, 17, 18, 19];
const RANGES: readonly Range[] = [
  range(4, 4, 13, 16, 19), // Visa
  range(51, 55, 16), // Mastercard
  range(2221, 2720, 16),
  range(34, 34, 15), // American Express
  range(37, 37, 15),
  range(6011, 6011, ...LONG), // Discover
  range(644, 649, ...LONG),
  range(65, 65, ...LONG),
  range(300, 305, 14, 16, 17, 18, 19), // Diners Club
  range(3095, 3095, 14, 16, 17, 18, 19),
  range(36, 36, 14, 16, 17, 18, 19),
  range(38, 39, 14, 16, 17, 18, 19),
  range(3528, 3589, ...LONG), // JCB
  range(2131, 2131, 15),
  range(1800, 1800, 15),
  range(62, 62, ...LONG), // UnionPay
  range(81, 81, ...LONG), // UnionPay, RuPay
  range(2200, 2204, ...LONG), // Mir
  range(60, 60, 16), // RuPay, Hipercard
  range(82, 82, 16), // RuPay
  range(508, 508, 16), // RuPay
  range(5018, 5018, 12, 13, 14, 15, ...LONG), // Maestro
  range(5020, 5020, 12, 13, 14, 15, ...LONG),
  range(5038, 5038, 12, 13, 14, 15, ...LONG),
  range(5893, 5893, 12, 13, 14, 15, ...LONG),
  range(6304, 6304, 12, 13, 14, 15, ...LONG),
  range(6390, 6390, 12, 13, 14, 15, ...LONG),
  range(6759, 6759, 12, 13, 14, 15, ...LONG),
  range(6761, 6763, 12, 13, 14, 15, ...LONG),
  range(604, 604, 12, 13, 14, 15),
  range(5019, 5019, 16), // Dankort
  range(506, 507, ...LONG), // Verve, Elo
  range(6500, 6509, ...LONG),
  range(636, 636, 16), // InterPayment, InstaPayment
  range(9792, 9792, 16), // Troy
];

/** By a number's first four digits, the lengths it can have: bit n for n digits. */
const LENGTHS = new Int32Array(10_000);
for (const { digits, from, to, lengths } of RANGES) {
  const below = 10 ** (4 - digits);
  for (const length of lengths)
    for (let prefix = from * below; prefix < (to + 1) * below; prefix++)
      LENGTHS[prefix] = (LENGTHS[prefix] as number) | (1 << length);
}

/** Whether digits are a payment card's number: an issuer's range, a length that it has, and the Luhn check digit. */
export function isCard(digits: string): boolean {
  if (digits.length < 12 || digits.length > 19) return false;
  const known = ((LENGTHS[Number(digits.slice(0, 4))] as number) >> digits.length) & 1;
  return known === 1 && luhn(digits) && !/^(\d)\1*$/.test(digits);
}

/** ISO/IEC 7812-1 annex B. */
export function luhn(digits: string): boolean {
  let sum = 0;
  let double = false;
  for (let i = digits.length - 1; i >= 0; i--) {
    const digit = digits.charCodeAt(i) - 48;
    const value = double ? digit * 2 : digit;
    sum += value > 9 ? value - 9 : value;
    double = !double;
  }
  return sum % 10 === 0;
}
