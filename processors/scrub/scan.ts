import { inRunAt, markedAt, withAwsSecrets } from './anchors.ts';
import { elementAt } from './assignments.ts';
import type { KeyInfo } from './key-names.ts';
import { placeholderEnd } from './pseudonym.ts';
import { SHORTEST_RUN } from './secrets.ts';
import { type Hit, isAlnum, isDigit, isLetter, Segment } from './segment.ts';

/** What a code unit is to the trigger: nothing, part of a run of word characters (bits, so that a run's are joined), or a mark to look at. */
const QUIET = 0;
const LETTER = 1;
const CAPITAL = 2;
const DIGIT = 4;
/** `.` and `-`: inside a run. */
const JOINT = 8;
const MARK = 16;
const KIND = new Uint8Array(128);
for (let code = 0; code < 128; code++) if (isAlnum(code) || code === 95) KIND[code] = LETTER;
for (let code = 65; code <= 90; code++) KIND[code] = CAPITAL;
for (let code = 48; code <= 57; code++) KIND[code] = DIGIT;
for (const mark of '@:=+([{%<\\') KIND[mark.charCodeAt(0)] = MARK;
KIND[46] = JOINT;
KIND[45] = JOINT;

/** First letters of the words that say that a secret follows: `is`, `was`, `Bearer`, `Basic`. */
const KEYWORD = new Uint8Array(128);
for (const letter of 'iIwWbB') KEYWORD[letter.charCodeAt(0)] = 1;
/** Names of lower-case letters are this long at most; a longer run may be a token without a capital or digit by chance. */
const LONGEST_NAME = 30;
/** Fewest digits of a finding: an IPv4 address. */
const FEWEST_DIGITS = 4;

const NONE: readonly Hit[] = [];

/**
 * Finds what a stretch of text holds, in order, not overlapping; offsets are those of the stretch. One pass over its
 * characters is the trigger: it decides whether a detector must look at all. A detector then looks at a bounded
 * neighbourhood: linear in the text's length, whatever the text. Nothing is made before something triggers.
 */
export function scan(text: string, from: number, to: number, key: KeyInfo): readonly Hit[] {
  let segment: Segment | undefined;
  let hits: Hit[] | undefined;
  /** End of what was found last: nothing reaches back over it. */
  let floor = from;
  let aws = false;
  let i = from;
  while (i < to) {
    const code = text.charCodeAt(i);
    const kind = code < 128 ? (KIND[code] as number) : QUIET;
    if (kind === QUIET) {
      i++;
      continue;
    }
    let hit: Hit | undefined;
    let next = i + 1;
    if (kind !== MARK) {
      let seen = kind;
      for (next = i + 1; next < to; next++) {
        const inRun = text.charCodeAt(next);
        const part = inRun < 128 ? (KIND[inRun] as number) : QUIET;
        if (part === QUIET || part === MARK) break;
        seen |= part;
      }
      const length = next - i;
      const first = (seen & DIGIT) === 0 ? -1 : firstDigit(text, i);
      if (
        (first !== -1 && (next - first >= FEWEST_DIGITS || first === i + 2 || goesOn(text, next, to))) ||
        (length >= SHORTEST_RUN && ((seen & (CAPITAL | DIGIT)) !== 0 || length > LONGEST_NAME)) ||
        (KEYWORD[code] === 1 && length < 7 && length > 1) ||
        (code === 45 && length > 5)
      ) {
        segment ??= new Segment(text.slice(from, to), key);
        hit = inRunAt(segment, i - from, next - from, first === -1 ? -1 : first - from);
        if (hit?.detector === 'secret.aws_access_key') aws = true;
      }
    } else if (code === 60) {
      const after = placeholderEnd(text, i);
      if (after !== -1 && after <= to) {
        next = after;
        floor = after;
      } else if (isLetter(text.charCodeAt(next))) {
        segment ??= new Segment(text.slice(from, to), key);
        hit = elementAt(segment, i - from);
      }
    } else if (code !== 92) {
      segment ??= new Segment(text.slice(from, to), key);
      hit = markedAt(segment, i - from, code, floor - from);
    }
    if (hit === undefined) {
      i = next;
      continue;
    }
    hits ??= [];
    hits.push(hit);
    i = from + hit.end;
    floor = i;
  }
  if (hits === undefined) return NONE;
  return aws && segment !== undefined ? withAwsSecrets(segment, hits) : hits;
}

/** The first digit of a run that has one. */
function firstDigit(text: string, at: number): number {
  let i = at;
  while (!isDigit(text.charCodeAt(i))) i++;
  return i;
}

/** Whether what follows a run of few digits may belong to a number: a separator and another digit or parenthesis. */
function goesOn(text: string, at: number, to: number): boolean {
  for (let i = at; i < to && i < at + 4; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48 && code <= 57) return true;
    // space ( ) / : and what lies beyond ASCII
    if (code !== 32 && code !== 40 && code !== 41 && code !== 47 && code !== 58 && code < 128 && code !== 45)
      return false;
  }
  return false;
}
