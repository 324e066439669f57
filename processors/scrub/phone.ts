import { type Cluster, DASH, DOT, PAREN, SLASH, SPACE, SPACED } from './cluster.ts';
import { callingCode, nationalLengths } from './phone-plans.ts';
import { type Hit, isAlnum, isDigit, type Segment } from './segment.ts';

/** What the words and the key around digits say about them. */
export type PhoneContext = 'phone' | 'none' | 'other';

const EXTENSION = /(?:\s{0,2}(?:x|ext\.?|extension|#|poste|durchwahl|dw\.?)\s?\.?:?\s?)(\d{1,7})(?!\w)/iy;

/** What a number is for, right after it: `781 1704 office`, `042 078 6381-Fax`. */
const LABEL =
  /[ -]{0,2}\(?(?:office|fax|home|work|mobile|cell|cellphone|phone|tel|telephone|landline|direct|main|whatsapp)\b(?![ \t]\w)/iy;
/** The number before it is a house's. */
const STREET =
  / (?:[A-Z][\w.'-]{0,24} ){1,4}(?:St|Street|Ave|Avenue|Rd|Road|Ln|Lane|Dr|Drive|Blvd|Boulevard|Way|Court|Ct|Place|Pl)\b/y;

/**
 * The phone number that starts at group `first` of a cluster: international by its calling code and length, national
 * by the shapes of numbering plans. What is not enough by itself counts where words or key say `phone`, and nothing
 * but an international number counts where they say that it is something else.
 */
export function phoneAt(
  segment: Segment,
  cluster: Cluster,
  first: number,
  context: () => PhoneContext,
): Hit | undefined {
  const international = first === 0 && cluster.plus ? plusNumber(segment, cluster, context) : undefined;
  if (first === 0 && cluster.plus) return international;
  for (let last = cluster.count; last > first; last--) {
    if (!standsAlone(segment, cluster, first, last)) continue;
    const number = nationalNumber(segment, cluster, first, last, context);
    if (number === undefined) continue;
    const start = first === 0 ? cluster.start : groupStart(segment, cluster, first);
    const end = cluster.closes[last - 1] as number;
    return {
      start,
      end: withExtension(segment, end),
      type: 'phone',
      detector: number.detector,
      value: number.value,
    };
  }
  return undefined;
}

/** `+CC …`, with a `(0)` that is dialled at home only. */
function plusNumber(segment: Segment, cluster: Cluster, context: () => PhoneContext): Hit | undefined {
  for (let last = cluster.count; last > 0; last--) {
    if (!standsAlone(segment, cluster, 0, last)) continue;
    const digits = internationalDigits(segment, cluster, 0, last);
    if (!isInternational(digits) && !isMeantAsInternational(cluster, last, digits, context)) continue;
    const end = cluster.closes[last - 1] as number;
    return {
      start: cluster.start,
      end: withExtension(segment, end),
      type: 'phone',
      detector: 'phone.international',
      value: digits,
    };
  }
  return undefined;
}

/** No number that a plan knows, but written as one: by the words around it, or in groups that no amount has. */
function isMeantAsInternational(
  cluster: Cluster,
  last: number,
  digits: string,
  context: () => PhoneContext,
): boolean {
  if (digits.length < 8 || digits.length > 15 || digits.startsWith('0')) return false;
  return (
    context() === 'phone' ||
    (last > 2 && digits.length >= 10 && cluster.size(last - 1) !== 3 && context() === 'none')
  );
}

/** Digits of groups without a `(0)` after the first: the trunk prefix. */
function internationalDigits({ text }: Segment, cluster: Cluster, first: number, last: number): string {
  let digits = '';
  for (let i = first; i < last; i++) {
    const group = text.slice(cluster.starts[i], cluster.ends[i]);
    if (i > first && group === '0' && cluster.separators[i] === PAREN) continue;
    digits += group;
  }
  return digits;
}

export function isInternational(digits: string): boolean {
  const code = callingCode(digits);
  if (code === undefined) return false;
  const [least, most] = nationalLengths(code) as readonly [number, number];
  const size = digits.length - code.length;
  // A trunk 0 is often kept by mistake.
  return (
    size >= least &&
    (size <= most || (size === most + 1 && digits[code.length] === '0')) &&
    digits.length <= 15 &&
    !/^(\d)\1*$/.test(digits.slice(code.length))
  );
}

/** Whether groups first … last − 1 touch nothing that would make them part of something longer. */
export function standsAlone(segment: Segment, cluster: Cluster, first: number, last: number): boolean {
  if (first > 0) {
    const separator = cluster.separators[first];
    if (
      separator !== SPACE &&
      separator !== SPACED &&
      !(
        separator === PAREN &&
        segment.code((cluster.starts[first] as number) - 1) === 40 &&
        isBlank(segment, (cluster.starts[first] as number) - 2)
      )
    )
      return false;
  }
  if (last < cluster.count) {
    const separator = cluster.separators[last];
    if (
      separator !== SPACE &&
      separator !== SPACED &&
      !(separator === PAREN && isBlank(segment, cluster.closes[last - 1] as number))
    )
      return false;
  }
  const end = cluster.closes[last - 1] as number;
  const code = segment.code(end);
  const next = segment.code(end + 1);
  if (code === 120 || code === 88 || code === 101 || code === 69 || code === 35) {
    EXTENSION.lastIndex = end;
    if (EXTENSION.test(segment.text)) return true;
  }
  if (isAlnum(code) || code === 95 || code === 64 || code === 37) return false;
  if (code === 45 && isLabelled(segment, end)) return true;
  // `12-a`, `12.5`, `12/3`, `12:30`, `12,5` go on.
  if (code === 45 || code === 47 || code === 43 || code === 61) return !isAlnum(next);
  if (code === 46 || code === 58) return !isAlnum(next) || (code === 46 && !isDigit(next) && next < 97);
  return true;
}

/** Whether the word after a number that ends at `end` says that it is a phone's. */
function isLabelled(segment: Segment, end: number): boolean {
  LABEL.lastIndex = end;
  return LABEL.test(segment.text);
}

const isBlank = (segment: Segment, at: number): boolean => {
  const code = segment.code(at);
  return code === 32 || code === -1 || code === 0xa0;
};

function groupStart(segment: Segment, cluster: Cluster, first: number): number {
  const at = cluster.starts[first] as number;
  return segment.code(at - 1) === 40 ? at - 1 : at;
}

function withExtension(segment: Segment, end: number): number {
  EXTENSION.lastIndex = end;
  return EXTENSION.test(segment.text) ? EXTENSION.lastIndex : end;
}

interface National {
  readonly detector: string;
  readonly value: string;
}

function nationalNumber(
  segment: Segment,
  cluster: Cluster,
  first: number,
  last: number,
  context: () => PhoneContext,
): National | undefined {
  const { text } = segment;
  const digits = cluster.digits(text, first, last);
  if (digits.length < 7 || digits.length > 17 || /^(\d)\1*$/.test(digits)) return undefined;
  const shape = shapeOf(cluster, first, last);
  if (digits.startsWith('00') || digits.startsWith('011')) {
    const dialled = internationalDigits(segment, cluster, first, last).slice(digits.startsWith('00') ? 2 : 3);
    if (isInternational(dialled) && (last - first > 1 || context() === 'phone') && context() !== 'other') {
      return { detector: 'phone.international', value: dialled };
    }
  }
  // The shape of a social security number: whatever it is, it is no phone's.
  const end = cluster.closes[last - 1] as number;
  // No plan's form is one group alone.
  const strength = SSN_SHAPE.test(shape) || last - first === 1 ? 0 : strengthOf(digits, shape);
  if (strength < STRONG && !SSN_SHAPE.test(shape) && LOOSE.test(shape) && digits.length <= 15) {
    if (isLabelled(segment, end)) return { detector: 'phone.context', value: nationalValue(digits) };
  }
  if (strength === 0 && !(digits.length <= 15 && LOOSE.test(shape) && context() === 'phone'))
    return undefined;
  if (context() === 'other') return undefined;
  if ((strength < STRONG || isAmongNumbers(segment, cluster, end, shape)) && context() !== 'phone')
    return undefined;
  return { detector: strength === STRONG ? 'phone.national' : 'phone.context', value: nationalValue(digits) };
}

/** Digits with nothing but spaces between are a column of a log or a table where more stand beside them, or a house number. */
function isAmongNumbers(segment: Segment, cluster: Cluster, end: number, shape: string): boolean {
  if (!/^[\d ]+$/.test(shape)) return false;
  const before = cluster.start - 1;
  if (segment.code(before) === 32 && isDigit(segment.code(before - 1))) return true;
  if (segment.code(end) === 32 && isDigit(segment.code(end + 1))) return true;
  STREET.lastIndex = end;
  return STREET.test(segment.text);
}

/** North American numbers join with their international form; others keep their digits. */
function nationalValue(digits: string): string {
  if (digits.length === 10 && /^[2-9]\d\d[2-9]/.test(digits)) return `1${digits}`;
  return digits;
}

/** `3-3.4`: sizes of groups and what joins them; `(3) 3-4` as `(3)3-4`. */
function shapeOf(cluster: Cluster, first: number, last: number): string {
  let shape = '';
  for (let i = first; i < last; i++) {
    if (i > first) shape += ' -./(_'[SEPARATOR_MARK[cluster.separators[i] as number] as number];
    shape += cluster.size(i);
  }
  return shape;
}
const SEPARATOR_MARK: Readonly<Record<number, number>> = {
  [SPACE]: 0,
  [DASH]: 1,
  [DOT]: 2,
  [SLASH]: 3,
  [PAREN]: 4,
  [SPACED]: 1,
};

const SSN_SHAPE = /^3([- .])2\1(?:4)$/;

/** Enough by itself, or only with a word. */
const STRONG = 2;
const WEAK = 1;

/** Shapes of national plans. `(` stands where a parenthesis opens or closes. Area 2–9 where the plan has it so. */
const SHAPES: readonly (readonly [shape: RegExp, digits: RegExp, strength: number])[] = [
  // North America: 415-555-0132, (415) 555-0132, 415.555.0132, 1-415-555-0132, 415/555-0132.
  [/^3[-(/]3[-.]4$|^3\(3 4$/, /^/, STRONG],
  [/^3\.3[-.]4$/, /^/, STRONG],
  [/^3 3-4$|^3\(7$/, /^[2-9]/, STRONG],
  [/^3 3 4$/, /^[2-9]\d\d[2-9]/, STRONG],
  [/^1[-.( ]3[-.( ]3[-. ]4$/, /^1[2-9]/, STRONG],
  // Trunk 0: UK, DE, FR, IT, NL, AU, JP, KR, SE, CH, ZA, TR, … two to six groups.
  [/^(?:2[ .-]){4}2$/, /^0[1-9]/, STRONG],
  [/^[2-5][-/( ]\d{1,2}(?:[-/ ]\d){0,4}$/, /^0[1-9]\d{7,9}$/, STRONG],
  [/^[2-5][-/(] ?\d{1,2}(?:[-/ ]\d){0,4}$/, /^0[1-9]\d{7,10}$/, STRONG],
  [/^[2-5]\.[2-8](?:\.[2-4]){0,3}$/, /^0[1-9]\d{8,9}$/, STRONG],
  [/^[45] [78]$/, /^01[5-7]/, STRONG],
  [/^6[ -]5$/, /^0[6-9]/, STRONG],
  // Spain, where the grouping is its own: 612 34 56 78, 91 123 45 67.
  [/^3 2 2 2$/, /^[6789]/, STRONG],
  [/^2 3 2 2$/, /^[89]/, STRONG],
  // An area in parentheses.
  [/^[2-5]\([2-5](?:[- ][2-5]){1,2}$/, /^\d{8,11}$/, STRONG],
  // Brazil (11) 91234-5678, India 98765 43210, China 138 1234 5678, Russia 8 (495) 123-45-67.
  [/^2[( ][45]-4$/, /^[1-9]/, STRONG],
  [/^5[ -]5$/, /^[6-9]/, STRONG],
  [/^3[ -]4[ -]4$/, /^1[3-9]/, STRONG],
  [/^1[ (-]3[ (-]3[ -]2[ -]2$/, /^[78][3489]/, STRONG],
  // Spain, Poland, Portugal and others without a trunk prefix: nine digits in groups look like amounts too.
  [/^3[ .-]3[ .-]3$|^2 3 2 2$|^3 2 2 2$|^2 3 4$|^1 4 4$|^4[ -]4$|^(?:2 ){3}2$|^3 2 3$/, /^[1-9]/, WEAK],
  [/^3[-.]4$/, /^[2-9]/, WEAK],
];

/** What a word makes a phone number of: a few groups, and dots only where nothing else joins them (`1.9.11 / 2021`). */
const LOOSE = /^(?:\d{1,2}(?:[-/ (]\d{1,2}){0,5}|[2-5](?:\.[2-5]){1,5})$/;

function strengthOf(digits: string, shape: string): number {
  for (const [form, start, strength] of SHAPES) if (form.test(shape) && start.test(digits)) return strength;
  return 0;
}

const PHONE_WORDS =
  /(?:\b(?:tel|telephone|phone|phones|mobile|mobil|mob|cell|cellphone|cellular|fax|call|calls|calling|dial|ring|whatsapp|viber|telegram|signal|sms|text me|texted|texting|landline|hotline|voicemail|contact|reach|reachable|reached|callback|handy|rufnummer|telefon|telefonnummer|anrufen|telefono|telefone|telefonisch|telefoon|telefoonnummer|celular|cellulare|cel|movil|portable|appeler|appelez|joindre|numero de telephone|llamar|llame|puhelin|puh|tlf|gsm|msisdn|my number|his number|her number|their number|number is|number at|(?:answer|answers|answered|answering) (?:at|on)|messages? to)\b|t[ée]l[ée]phone|tel[ée]fono|m[óo]vil|num[ée]ro|телефон|тел\.|звон|电话|手机|電話|携帯|전화|휴대폰|هاتف|फोन|☎|📞|📱)/g;
const OTHER_WORDS =
  /\b(?:order|orders|invoice|inv|ticket|case|tracking|track|serial|sku|part|isbn|issn|ean|upc|account|acct|ref|reference|id|ids|uuid|transaction|txn|receipt|confirmation|booking|reservation|version|build|commit|port|zip|postcode|patent|model|batch|lot|policy|claim|contract|customer no|member|membership|timestamp|epoch|unix|offset|row|rows|line|lines|bytes|size|score|population|pid|process|bestellung|rechnung|kundennummer|auftrag|commande|facture|pedido|factura|vin|imei|pmid|doi|rfc|iso|ip|credit card|card|ssn|social security|iban|passport|license|licence|code)\b(?:'s)?(?: (?:number|no|nr|num|id)\b\.?)?(?: (?:is|was)\b)?|№|§/g;

/** The nearest word decides; the key decides where it says something. */
export function phoneContext(segment: Segment, at: number): PhoneContext {
  if (segment.key.phone) return 'phone';
  if (at === 0) return segment.key.identifier ? 'other' : 'none';
  const before = segment.before(at);
  const phone = lastEnd(PHONE_WORDS, before);
  const named = lastEnd(OTHER_WORDS, before);
  // "Account closed, call me: …" and "order 12. …" name something else.
  const other = /^[^,;.\n]{0,24}$/.test(before.slice(named)) ? named : -1;
  if (phone > other) return 'phone';
  if (other > phone || segment.key.identifier) return 'other';
  return 'none';
}

function lastEnd(words: RegExp, text: string): number {
  let end = -1;
  for (const match of text.matchAll(words)) end = match.index + match[0].length;
  return end;
}
