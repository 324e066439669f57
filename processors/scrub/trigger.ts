import { SHORTEST_RUN } from './secret-forms.ts';
import { isAlnum } from './segment.ts';

/** What a code unit is to the trigger: nothing, part of a run of word characters (bits, so that a run's are joined), or a mark. */
const QUIET = 0;
const LETTER = 1;
const CAPITAL = 2;
const DIGIT = 4;
/** `.` and `-`: inside a run. */
const JOINT = 8;
const MARK = 16;
/** The first letter of `is`, `was`, `Bearer` and `Basic`, which say that a secret follows. */
const KEYWORD = 32;
const KIND = new Uint8Array(128);
for (let code = 0; code < 128; code++) if (isAlnum(code) || code === 95) KIND[code] = LETTER;
for (let code = 65; code <= 90; code++) KIND[code] = CAPITAL;
for (let code = 48; code <= 57; code++) KIND[code] = DIGIT;
for (const mark of '@:=+([{%<') KIND[mark.charCodeAt(0)] = MARK;
for (const letter of 'iIwWbB') KIND[letter.charCodeAt(0)] = (KIND[letter.charCodeAt(0)] as number) | KEYWORD;
KIND[46] = JOINT;
KIND[45] = JOINT;

/** Names of lower-case letters are this long at most; a longer run may be a token without a capital or digit by chance. */
const LONGEST_NAME = 30;
/** Fewest digits of a finding: an IPv4 address. */
const FEWEST_DIGITS = 4;

/**
 * The first place from `from` on where a detector must look: a mark, or the start of a run of word characters that has
 * digits enough, is as long as a token, or is a word that says that a secret follows. `to` where there is none. One
 * pass that makes nothing: most text ends here.
 */
export function nextTrigger(units: Uint16Array, from: number, to: number): number {
  let i = from;
  while (i < to) {
    const code = units[i] as number;
    const kind = code < 128 ? (KIND[code] as number) : QUIET;
    if (kind === QUIET) {
      i++;
      continue;
    }
    if (kind === MARK) return i;
    let seen = kind;
    let end = i + 1;
    for (; end < to; end++) {
      const inRun = units[end] as number;
      const part = inRun < 128 ? (KIND[inRun] as number) : QUIET;
      if (part === QUIET || part === MARK) break;
      seen |= part;
    }
    const length = end - i;
    if ((seen & DIGIT) !== 0) {
      if (length >= FEWEST_DIGITS || goesOn(units, end, to)) return i;
    } else if (length >= SHORTEST_RUN && ((seen & CAPITAL) !== 0 || length > LONGEST_NAME)) return i;
    if ((kind & KEYWORD) !== 0 && length < 7 && isKeyword(units, i, length)) return i;
    // `--password`, `-----BEGIN`
    if (code === 45 && length > 5) return i;
    i = end;
  }
  return to;
}

/** The end of the run of word characters that starts at `from`. */
export function runEnd(units: Uint16Array, from: number, to: number): number {
  let end = from;
  while (end < to) {
    const code = units[end] as number;
    const kind = code < 128 ? (KIND[code] as number) : QUIET;
    if (kind === QUIET || kind === MARK) break;
    end++;
  }
  return end;
}

/** Whether a run that starts with such a letter is `is`, `was`, or may be `Bearer` or `Basic`. */
function isKeyword(units: Uint16Array, at: number, length: number): boolean {
  const second = (units[at + 1] as number) | 32;
  if (length === 2) return second === 115;
  if (length === 3) return second === 97 && ((units[at + 2] as number) | 32) === 115;
  return (length === 5 && second === 97) || (length === 6 && second === 101);
}

/** Whether what follows a run of few digits may belong to a number: separators and another digit. */
function goesOn(units: Uint16Array, at: number, to: number): boolean {
  for (let i = at; i < to && i < at + 4; i++) {
    const code = units[i] as number;
    if (code >= 48 && code <= 57) return true;
    // space ( ) / : - and what lies beyond ASCII
    if (code !== 32 && code !== 40 && code !== 41 && code !== 47 && code !== 58 && code !== 45 && code < 128)
      return false;
  }
  return false;
}
