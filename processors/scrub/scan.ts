import { assignedAt, nameBefore, statedAt } from './assignments.ts';
import { isCard } from './card.ts';
import { Cluster, DASH, DOT, SLASH, SPACE } from './cluster.ts';
import { disguisedEmailAt, emailAt } from './email.ts';
import { ibanAt } from './iban.ts';
import { inVersion, ipv6At, isPersonalV4 } from './ip.ts';
import { dataUrlAt } from './media.ts';
import { type PhoneContext, phoneAt, phoneContext, standsAlone } from './phone.ts';
import { placeholderEnd } from './pseudonym.ts';
import {
  awsSecrets,
  basicAt,
  bearerAt,
  privateKeyAt,
  SHORTEST_RUN,
  secretAt,
  telegramAt,
  urlPasswordAt,
} from './secrets.ts';
import { type Hit, isAlnum, isDigit, isHex, isJoined, isLetter, type Segment } from './segment.ts';
import { isItin, isSsn } from './ssn.ts';

/** What a code unit can start: nothing, a run of word characters, or, by itself, a finding. */
const QUIET = 0;
const WORD = 1;
const MARK = 2;
const KIND = new Uint8Array(128);
for (let code = 0; code < 128; code++) if (isAlnum(code) || code === 95) KIND[code] = WORD;
for (const mark of '@:=+([{%<-') KIND[mark.charCodeAt(0)] = MARK;
/** What a run goes on with. */
const RUN = new Uint8Array(128);
for (let code = 0; code < 128; code++)
  if (isAlnum(code) || code === 95 || code === 45 || code === 46) RUN[code] = 1;

const cluster = new Cluster();

/**
 * Finds what a stretch of text holds, in order, not overlapping. One pass over its characters; a detector looks only
 * where a character or a run of them says that it may find something, and then at a bounded neighbourhood: linear in
 * the text's length, whatever the text.
 */
export function scan(segment: Segment): Hit[] {
  const hits: Hit[] = [];
  const { text, end } = segment;
  let floor = 0;
  let aws = false;
  let i = 0;
  while (i < end) {
    const code = text.charCodeAt(i);
    const kind = code < 128 ? KIND[code] : QUIET;
    if (kind === QUIET) {
      i++;
      continue;
    }
    let hit: Hit | undefined;
    let next = i + 1;
    if (kind === WORD) {
      let digit = -1;
      next = i;
      do {
        const inRun = text.charCodeAt(next);
        if (inRun > 127 || RUN[inRun] === 0) break;
        if (digit === -1 && isDigit(inRun)) digit = next;
        next++;
      } while (next < end);
      hit = inRunAt(segment, i, next, digit);
      if (hit?.detector === 'secret.aws_access_key') aws = true;
    } else if (code === 60) {
      const after = placeholderEnd(text, i);
      if (after !== -1) {
        next = after;
        floor = after;
      }
    } else hit = markedAt(segment, i, code, floor);
    if (hit === undefined) {
      i = next;
      continue;
    }
    hits.push(hit);
    floor = hit.end;
    i = hit.end;
  }
  return aws ? withAwsSecrets(segment, hits) : hits;
}

/** What starts in the run of word characters from `start` to `end`; its first digit is at `digit`, or -1. */
function inRunAt(segment: Segment, start: number, end: number, digit: number): Hit | undefined {
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
  if (length >= SHORTEST_RUN) {
    const before = segment.code(start - 1);
    return before === 45 || before === 46 ? undefined : secretAt(segment, start);
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
function markedAt(segment: Segment, at: number, code: number, floor: number): Hit | undefined {
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
      return disguise(segment, at, next, floor);
    case 91: // [
    case 123: // {
      return disguise(segment, at, next, floor);
    case 45: // -
      return next === 45 && segment.code(at + 5) === 66 ? privateKeyAt(segment, at) : undefined;
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
  return assignedAt(segment, at, ...nameBefore(segment, at, floor));
}

/** The IPv6 address whose first colon is at `at`: its first group stands before it, or it starts with `::`. */
function v6Around(segment: Segment, at: number, floor: number): Hit | undefined {
  let start = at;
  while (start > floor && at - start < 5 && isHex(segment.code(start - 1))) start--;
  if (at - start > 4 || (start === at && segment.code(at + 1) !== 58)) return undefined;
  const before = segment.code(start - 1);
  if (isJoined(before) || before === 58 || before === 46 || before === 45) return undefined;
  return ipv6At(segment, start);
}

/** What the digits at `at`, or a `+` or `(` before them, are part of. */
export function numberAt(segment: Segment, at: number): Hit | undefined {
  if (!mayStart(segment, at)) return undefined;
  cluster.read(segment, at);
  if (cluster.count === 0) return undefined;
  let context: PhoneContext | undefined;
  const contextOf = (start: number) => () => {
    context ??= phoneContext(segment, start);
    return context;
  };
  const first = 0;
  if (!cluster.plus) {
    if (cluster.count >= 3 && isDate(segment, cluster)) return undefined;
    const hit =
      v4At(segment, cluster) ??
      ssnAt(segment, cluster, contextOf(at)) ??
      cardAt(segment, cluster, contextOf(at));
    if (hit !== undefined) return hit;
  }
  return phoneAt(segment, cluster, first, contextOf(at));
}

/** Whether a number may begin here: nothing before it that it would belong to. */
function mayStart(segment: Segment, at: number): boolean {
  const before = segment.code(at - 1);
  if (before === -1 || before === 32 || before >= 128) return true;
  if (isJoined(before)) return false;
  switch (before) {
    case 43: // + - # $ ^ ~ % & \
    case 45:
    case 35:
    case 36:
    case 94:
    case 126:
    case 37:
    case 38:
    case 92:
      return false;
    case 46: // "tel.415…"
      return isLetter(segment.code(at - 2));
    case 44: // "1,234"
      return !isDigit(segment.code(at - 2));
    case 47: // "//10.0.0.1"
      return segment.code(at - 2) === 47;
    case 58: // "12:30"
      return !isDigit(segment.code(at - 2));
    case 40:
      return true;
    default:
      return true;
  }
}

/** Year, month, day in either order, with one separator. */
function isDate({ text }: Segment, found: Cluster): boolean {
  const separator = found.separators[1];
  if (separator !== found.separators[2] || (separator !== DASH && separator !== DOT && separator !== SLASH))
    return false;
  const sizes = [0, 1, 2].map((i) => found.size(i));
  const values = [0, 1, 2].map((i) => found.value(text, i)) as [number, number, number];
  if (sizes.some((length) => length > 4)) return false;
  if (sizes[0] === 4) return values[0] >= 1000 && values[0] < 2200 && values[1] <= 12 && values[2] <= 31;
  return (
    sizes[2] === 4 &&
    (sizes[0] as number) <= 2 &&
    (sizes[1] as number) <= 2 &&
    Math.min(values[0], values[1]) <= 12 &&
    Math.max(values[0], values[1]) <= 31 &&
    values[2] >= 1000 &&
    values[2] < 2200
  );
}

function v4At(segment: Segment, { count, separators, starts, ends }: Cluster): Hit | undefined {
  if (
    count < 4 ||
    separators[1] !== DOT ||
    separators[2] !== DOT ||
    separators[3] !== DOT ||
    (separators[4] === DOT && count > 4)
  )
    return undefined;
  const { text } = segment;
  const octets: number[] = [];
  for (let i = 0; i < 4; i++) {
    const group = text.slice(starts[i], ends[i]);
    if (group.length > 3 || (group.length > 1 && group.startsWith('0')) || Number(group) > 255)
      return undefined;
    octets.push(Number(group));
  }
  const start = starts[0] as number;
  const end = ends[3] as number;
  const after = segment.code(end);
  if (
    isJoined(after) ||
    (after === 45 && isAlnum(segment.code(end + 1))) ||
    (after === 46 && isAlnum(segment.code(end + 1)))
  )
    return undefined;
  if (!isPersonalV4(...(octets as [number, number, number, number])) || inVersion(segment, start))
    return undefined;
  return { start, end, type: 'ip', detector: 'ip.v4', value: octets.join('.') };
}

const SSN_WORDS =
  /\b(?:ssn|social security|social sec|soc sec|ss#|ss no|itin|taxpayer|tax id|tin)\b[^.;\n]{0,32}$/;

function ssnAt(segment: Segment, found: Cluster, context: () => PhoneContext): Hit | undefined {
  const { text } = segment;
  const grouped =
    found.count >= 3 &&
    found.size(0) === 3 &&
    found.size(1) === 2 &&
    found.size(2) === 4 &&
    found.separators[1] === found.separators[2];
  const groups = grouped ? 3 : 1;
  if (!grouped && found.size(0) !== 9) return undefined;
  if (!standsAlone(segment, found, 0, groups)) return undefined;
  const digits = found.digits(text, 0, groups);
  const start = found.starts[0] as number;
  const named = segment.key.ssn || SSN_WORDS.test(segment.before(start));
  if (!isSsn(digits) && !(named && isItin(digits))) return undefined;
  if (!named && (!grouped || found.separators[1] !== DASH || segment.key.identifier || context() === 'other'))
    return undefined;
  return { start, end: found.ends[groups - 1] as number, type: 'ssn', detector: 'ssn', value: digits };
}

const CARD_WORDS =
  /(?:\b(?:card|cards|credit|debit|cc|pan|visa|mastercard|master card|amex|american express|discover|diners|jcb|maestro|unionpay|payment|pay|paid|charge|charged|billing|kreditkarte|kartennummer|carte|tarjeta|carta|cartao)\b|カード|信用卡|카드)[^\n]{0,48}$/;

function cardAt(segment: Segment, found: Cluster, context: () => PhoneContext): Hit | undefined {
  const separator = found.separators[1];
  let groups = 1;
  if (found.size(0) < 12) {
    if (
      found.count < 2 ||
      found.size(0) < 4 ||
      (separator !== SPACE && separator !== DASH && separator !== DOT)
    )
      return undefined;
    let total = found.size(0);
    while (groups < found.count && found.separators[groups] === separator && total < 20)
      total += found.size(groups++);
  } else if (found.size(0) > 19) return undefined;
  for (let last = groups; last > 0; last--) {
    const digits = found.digits(segment.text, 0, last);
    if (digits.length < 12) return undefined;
    if (!isCard(digits) || !standsAlone(segment, found, 0, last) || !isGrouped(found, last)) continue;
    const start = found.starts[0] as number;
    if (last === 1 && !bareCard(segment, start, digits, context)) continue;
    return { start, end: found.ends[last - 1] as number, type: 'card', detector: 'card', value: digits };
  }
  return undefined;
}

/** Groups as cards are embossed: 4-4-4-4(-3), 4-6-5, 4-6-4, 4-3-3-3, 4-4-4, 6-…. */
function isGrouped(found: Cluster, groups: number): boolean {
  if (groups === 1) return true;
  for (let i = 0; i < groups; i++) {
    const size = found.size(i);
    if (size < (i === groups - 1 ? 1 : 3) || (size > 7 && !(i === 1 && found.size(0) === 6))) return false;
  }
  return true;
}

/** Without groups the common lengths are enough; others are ids more often than cards, unless something says so. */
function bareCard(segment: Segment, start: number, digits: string, context: () => PhoneContext): boolean {
  if (segment.key.card) return true;
  const named = CARD_WORDS.test(segment.before(start));
  if (named) return true;
  if (segment.key.identifier || context() === 'other') return false;
  if (digits.length === 16 || (digits.length === 15 && digits.startsWith('3')) || digits.length === 14)
    return true;
  return digits.length === segment.end && segment.key.neutral;
}

function withAwsSecrets(segment: Segment, hits: Hit[]): Hit[] {
  const more = awsSecrets(segment).filter((secret) =>
    hits.every((hit) => hit.end <= secret.start || hit.start >= secret.end),
  );
  return [...hits, ...more].sort((a, b) => a.start - b.start);
}
