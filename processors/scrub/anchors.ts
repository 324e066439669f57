import {
  argumentAt,
  assignedAt,
  elementAt,
  flagAt,
  nameBefore,
  statedAt,
  userPasswordAt,
} from './assignments.ts';
import { disguisedEmailAt, emailAt } from './email.ts';
import { ibanAt } from './iban.ts';
import { ipv6At } from './ip.ts';
import { dataUrlAt } from './media.ts';
import { numberAt } from './numbers.ts';
import { SHORTEST_RUN } from './secret-forms.ts';
import {
  awsSecrets,
  basicAt,
  bearerAt,
  privateKeyAt,
  secretAt,
  telegramAt,
  urlPasswordAt,
  webhookAt,
} from './secrets.ts';
import { type Hit, isDigit, isHex, isJoined, isLetter, type Segment } from './segment.ts';

/** What starts in the run of word characters from `start` to `end`; its first digit is at `digit`, or -1. */
export function inRunAt(segment: Segment, start: number, end: number, digit: number): Hit | undefined {
  if (digit === start) {
    const hit =
      numberAt(segment, start) ??
      (segment.code(start + 8) === 58 || segment.code(end) === 58 ? telegramAt(segment, start) : undefined);
    if (hit !== undefined) return hit;
  } else if (
    digit === start + 2 &&
    isDigit(segment.code(start + 3)) &&
    isLetter(segment.code(start)) &&
    isLetter(segment.code(start + 1))
  ) {
    if (!isJoined(segment.code(start - 1))) {
      const hit = ibanAt(segment, start);
      if (hit !== undefined) return hit;
    }
  } else if (
    digit !== -1 &&
    segment.code(digit - 1) === 46 &&
    digit - start <= 9 &&
    /^(?:tel|phone|mob|fax|cell|ph)\.$/i.test(segment.text.slice(start, digit))
  ) {
    const hit = numberAt(segment, digit);
    if (hit !== undefined) return hit;
  }
  const length = end - start;
  if (segment.code(start) === 45) {
    const dashes = segment.text.indexOf('-----BEGIN', start);
    if (dashes !== -1 && dashes < end) return privateKeyAt(segment, dashes);
    if (segment.code(end) === 32) {
      // `--client-secret`, PowerShell's `-ClientSecret`
      const doubled = segment.code(start + 1) === 45;
      return flagAt(segment, start + (doubled ? 2 : 1), end, doubled);
    }
  }
  // A token may go on after a tilde: `…8Q~…`.
  if (length >= SHORTEST_RUN || segment.code(end) === 126) {
    const before = segment.code(start - 1);
    if (before === 45 || before === 46) return undefined;
    return secretAt(segment, start) ?? (before === 47 ? webhookAt(segment, start) : undefined);
  }
  if (length === 2 && (segment.code(start) | 32) === 105 && (segment.code(start + 1) | 32) === 115)
    return statedAt(segment, end);
  if (length === 3 && (segment.code(start) | 32) === 119 && (segment.code(start + 1) | 32) === 97)
    return statedAt(segment, end);
  if (length === 6 || length === 5) return afterScheme(segment, start, end);
  return undefined;
}

/** `Bearer …`, `Basic …`. */
function afterScheme(segment: Segment, start: number, end: number): Hit | undefined {
  const first = segment.code(start) | 32;
  if (first !== 98) return undefined;
  const word = segment.text.slice(start, end).toLowerCase();
  if (word === 'bearer') return bearerAt(segment, end);
  return word === 'basic' ? basicAt(segment, end) : undefined;
}

/** What the mark at `at` is part of. Nothing reaches back over `floor`, the end of what was found last. */
export function markedAt(segment: Segment, at: number, code: number, floor: number): Hit | undefined {
  const next = segment.code(at + 1);
  switch (code) {
    case 64: // @
      return emailAt(segment, at, 1, floor);
    case 37: // %40
      return next === 52 && segment.code(at + 2) === 48 ? emailAt(segment, at, 3, floor) : undefined;
    case 43: // +
      return isDigit(next) || next === 40 ? numberAt(segment, at) : undefined;
    case 40: // (
      if (isDigit(next) || next === 43) return numberAt(segment, at);
      if (next === 34 || next === 39 || next === 96) return argumentAt(segment, at);
      return disguise(segment, at, next, floor);
    case 91: // [
    case 123: // {
      return disguise(segment, at, next, floor);
    case 60: // <
      return isLetter(next) ? elementAt(segment, at) : undefined;
    case 61: // =
      return assignedAt(segment, at, ...nameBefore(segment, at, floor));
    default: // :
      return atColon(segment, at, next, floor);
  }
}

function disguise(segment: Segment, at: number, next: number, floor: number): Hit | undefined {
  return (next | 32) === 97 || next === 32 || next === 64 ? disguisedEmailAt(segment, at, floor) : undefined;
}

function atColon(segment: Segment, at: number, next: number, floor: number): Hit | undefined {
  const previous = segment.code(at - 1);
  if (next === 47 && segment.code(at + 2) === 47) return urlPasswordAt(segment, at);
  if ((previous | 32) === 97 && /data$/i.test(segment.text.slice(Math.max(floor, at - 4), at))) {
    const hit = dataUrlAt(segment, at);
    if (hit !== undefined) return hit;
  }
  if (isHex(next) || next === 58) {
    const hit = v6Around(segment, at, floor);
    if (hit !== undefined) return hit;
  }
  const name = nameBefore(segment, at, floor);
  return userPasswordAt(segment, at, name[0]) ?? assignedAt(segment, at, ...name);
}

/** The IPv6 address whose first colon is at `at`: its first group stands before it, or it starts with `::`. */
function v6Around(segment: Segment, at: number, floor: number): Hit | undefined {
  let start = at;
  while (start > floor && at - start < 5 && isHex(segment.code(start - 1))) start--;
  if (at - start > 4 || (start === at && segment.code(at + 1) !== 58)) return undefined;
  const before = segment.code(start - 1);
  if ((isJoined(before) && before !== 64) || before === 58 || before === 46 || before === 45)
    return undefined;
  return ipv6At(segment, start);
}

/** The hits of a text with an access key id, and the secret keys beside it. */
export function withAwsSecrets(segment: Segment, hits: Hit[]): Hit[] {
  const more = awsSecrets(segment).filter((secret) =>
    hits.every((hit) => hit.end <= secret.start || hit.start >= secret.end),
  );
  return [...hits, ...more].sort((a, b) => a.start - b.start);
}
