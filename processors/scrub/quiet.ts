import { SHORTEST_RUN } from './secrets.ts';

const PLAIN = 0;
const WORD = 1;
const DIGIT = 2;
const SPACE = 3;
const LOUD = 4;
const KIND = new Uint8Array(128).fill(PLAIN);
for (let code = 48; code <= 57; code++) KIND[code] = DIGIT;
for (const [first, last] of ['az', 'AZ', '__', '--', '..'] as const) {
  for (let code = (first as string).charCodeAt(0); code <= (last as string).charCodeAt(0); code++)
    KIND[code] = WORD;
}
for (const mark of '@:=+([{%<\\') KIND[mark.charCodeAt(0)] = LOUD;
KIND[32] = SPACE;

/** Longer text is read by the detectors at once. */
const MAX_LENGTH = 96;
/** Fewest digits of a finding: an IPv4 address. */
const FEWEST_DIGITS = 4;

/**
 * The trigger: whether a string is short and holds nothing that any detector starts from: no mark, few digits, no
 * long run, no sentence. Most strings of an API's answers are so.
 */
export function isQuiet(text: string, start: number, end: number): boolean {
  if (end - start > MAX_LENGTH) return false;
  let digits = 0;
  let spaces = 0;
  let run = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    const kind = code < 128 ? KIND[code] : PLAIN;
    if (kind === WORD) {
      if (++run >= SHORTEST_RUN) return false;
    } else if (kind === DIGIT) {
      if (++digits >= FEWEST_DIGITS || ++run >= SHORTEST_RUN) return false;
    } else if (kind === LOUD) return false;
    else {
      run = 0;
      if (kind === SPACE && ++spaces > 1) return false;
    }
  }
  return true;
}
