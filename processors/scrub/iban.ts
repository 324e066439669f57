import { type Hit, isAlnum, isDigit, isLetter, type Segment } from './segment.ts';

/** Length of a country's IBANs, characters. Source: SWIFT IBAN registry, release 99, and national issuers' lists. */
const LENGTHS: Readonly<Record<string, number>> = {
  AD: 24,
  AE: 23,
  AL: 28,
  AO: 25,
  AT: 20,
  AZ: 28,
  BA: 20,
  BE: 16,
  BF: 28,
  BG: 22,
  BH: 22,
  BI: 27,
  BJ: 28,
  BR: 29,
  BY: 28,
  CF: 27,
  CG: 27,
  CH: 21,
  CI: 28,
  CM: 27,
  CR: 22,
  CV: 25,
  CY: 28,
  CZ: 24,
  DE: 22,
  DJ: 27,
  DK: 18,
  DO: 28,
  DZ: 26,
  EE: 20,
  EG: 29,
  ES: 24,
  FI: 18,
  FK: 18,
  FO: 18,
  FR: 27,
  GA: 27,
  GB: 22,
  GE: 22,
  GI: 23,
  GL: 18,
  GQ: 27,
  GR: 27,
  GT: 28,
  GW: 25,
  HN: 28,
  HR: 21,
  HU: 28,
  IE: 22,
  IL: 23,
  IQ: 23,
  IR: 26,
  IS: 26,
  IT: 27,
  JO: 30,
  KM: 27,
  KW: 30,
  KZ: 20,
  LB: 28,
  LC: 32,
  LI: 21,
  LT: 20,
  LU: 20,
  LV: 21,
  LY: 25,
  MA: 28,
  MC: 27,
  MD: 24,
  ME: 22,
  MG: 27,
  MK: 19,
  ML: 28,
  MN: 20,
  MR: 27,
  MT: 31,
  MU: 30,
  MZ: 25,
  NE: 28,
  NI: 28,
  NL: 18,
  NO: 15,
  OM: 23,
  PK: 24,
  PL: 28,
  PS: 29,
  PT: 25,
  QA: 29,
  RO: 24,
  RS: 22,
  RU: 33,
  SA: 24,
  SC: 31,
  SD: 18,
  SE: 24,
  SI: 19,
  SK: 24,
  SM: 27,
  SN: 28,
  SO: 23,
  ST: 25,
  SV: 28,
  TD: 27,
  TG: 28,
  TL: 23,
  TN: 24,
  TR: 26,
  UA: 29,
  VA: 22,
  VG: 24,
  XK: 20,
  YE: 30,
};

/** The IBAN whose country code starts at `at`: its country's length, single separators between, and ISO 7064 mod 97-10. */
export function ibanAt(segment: Segment, at: number): Hit | undefined {
  const length = LENGTHS[segment.text.slice(at, at + 2).toUpperCase()];
  if (length === undefined) return undefined;
  let value = '';
  let i = at;
  while (value.length < length) {
    let code = segment.code(i);
    if (!isAlnum(code) && value.length >= 4 && isSeparator(code)) code = segment.code(++i);
    if (!isAlnum(code)) return undefined;
    value += segment.text[i];
    i++;
  }
  if (isAlnum(segment.code(i)) || segment.code(i) === 95) return undefined;
  const iban = value.toUpperCase();
  if (!mod97(iban)) return undefined;
  return { start: at, end: i, type: 'iban', detector: 'iban', value: iban };
}

/** The groups of an account number before `at`, from its country on: `DE89 3704 `. */
const GROUPS = /(?:^|[^A-Za-z0-9])([A-Z]{2})\d[\dA-Z](?:[ -][A-Za-z0-9]{1,4}){0,7}[ -]$/;

/** Whether the digits at `at` go on with what is written as an IBAN, be it a right one or not. */
export function inIban(segment: Segment, at: number): boolean {
  const groups = GROUPS.exec(segment.text.slice(Math.max(0, at - 44), at));
  return groups !== null && (groups[1] as string) in LENGTHS;
}

/** Space, its unbreaking kin, hyphen, dot. */
function isSeparator(code: number): boolean {
  return code === 32 || code === 0xa0 || code === 0x202f || code === 45 || code === 46;
}

function mod97(iban: string): boolean {
  let rest = 0;
  for (let k = 0; k < iban.length; k++) {
    const code = iban.charCodeAt((k + 4) % iban.length);
    if (isDigit(code)) rest = (rest * 10 + code - 48) % 97;
    else if (isLetter(code)) rest = (rest * 100 + code - 55) % 97;
  }
  return rest === 1;
}
