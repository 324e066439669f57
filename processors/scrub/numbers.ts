import { isCard, luhn } from './card.ts';
import { Cluster, DASH, DOT, SLASH, SPACE } from './cluster.ts';
import { inIban } from './iban.ts';
import { inVersion, isPersonalV4 } from './ip.ts';
import { type PhoneContext, phoneAt, phoneContext, standsAlone } from './phone.ts';
import { type Hit, isAlnum, isDigit, isJoined, isLetter, type Segment } from './segment.ts';
import { isItin, isSsn } from './ssn.ts';

const cluster = new Cluster();

/** What the digits at `at`, or a `+` or `(` before them, are part of. */
export function numberAt(segment: Segment, at: number): Hit | undefined {
  const afterAt = segment.code(at - 1) === 64;
  if (!afterAt && !mayStart(segment, at)) return undefined;
  cluster.read(segment, at);
  if (cluster.count === 0) return undefined;
  // Fewer digits than any phone's, and groups than an address has.
  const last = cluster.count - 1;
  if (last < 3 && (cluster.ends[last] as number) - (cluster.starts[0] as number) < 7) return undefined;
  // `root@203.0.113.7`
  if (afterAt) return v4At(segment, cluster);
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
    if (hit !== undefined) return hit.type === 'card' && inIban(segment, at) ? undefined : hit;
  }
  const phone = phoneAt(segment, cluster, first, contextOf(at));
  return phone !== undefined && !cluster.plus && inIban(segment, at) ? undefined : phone;
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
  const first = found.size(0);
  const last = found.size(2);
  if (first > 4 || last > 4 || found.size(1) > 2) return false;
  if (first === 4)
    return isYear(found.value(text, 0)) && found.value(text, 1) <= 12 && found.value(text, 2) <= 31;
  if (last !== 4 || first > 2) return false;
  const one = found.value(text, 0);
  const other = found.value(text, 1);
  return Math.min(one, other) <= 12 && Math.max(one, other) <= 31 && isYear(found.value(text, 2));
}

const isYear = (value: number): boolean => value >= 1000 && value < 2200;

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
  // `10.1.2.3@eth0` is scoped.
  if (
    (isJoined(after) && !(after === 64 && isLetter(segment.code(end + 1)))) ||
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
    if (
      !(isCard(digits) || isNamedCard(segment, found.starts[0] as number, digits)) ||
      !standsAlone(segment, found, 0, last) ||
      !isGrouped(found, last)
    )
      continue;
    const start = found.starts[0] as number;
    // `525287.2292118854` is a decimal.
    if (last === 2 && separator === DOT) return undefined;
    if (last === 1 && !bareCard(segment, start, digits, context)) continue;
    return { start, end: found.ends[last - 1] as number, type: 'card', detector: 'card', value: digits };
  }
  return undefined;
}

const NAMED_CARD =
  /(?:\b(?:(?:credit|debit|bank|payment) ?cards?|cards?|cc|pan|visa|mastercard|master card|amex|american express|maestro|jcb|kreditkarte|kartennummer|tarjeta|carta)\b|カード|信用卡|카드)([^\n]{0,32})$/;
const NOT_A_CARD =
  /\b(?:imei|iccid|sim|order|ref|reference|serial|id|ticket|invoice|account|acct|tracking)\b/;

/** Issuers' ranges move. Where the text calls it a card, the check digit is enough. */
function isNamedCard(segment: Segment, start: number, digits: string): boolean {
  if (digits.length > 19 || !luhn(digits) || /^(\d)\1*$/.test(digits)) return false;
  if (segment.key.card) return true;
  const named = NAMED_CARD.exec(segment.before(start));
  return named !== null && !NOT_A_CARD.test(named[1] as string);
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

/**
 * Without groups the common lengths are enough. Others are ids more often than cards, those of 17 to 19 digits
 * snowflakes, unless something says so.
 */
function bareCard(segment: Segment, start: number, digits: string, context: () => PhoneContext): boolean {
  if (segment.key.card) return true;
  const named = CARD_WORDS.test(segment.before(start));
  if (named) return true;
  if (segment.key.identifier || context() === 'other') return false;
  return digits.length === 16 || (digits.length === 15 && digits.startsWith('3')) || digits.length === 14;
}
