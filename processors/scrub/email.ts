import { type Hit, isAlnum, isDigit, isLetter, type Segment } from './segment.ts';

const MAX_LOCAL = 64;
const MAX_DOMAIN = 253;
/** Ends of file names that look like the end of a domain, and are none. */
const FILE_ENDINGS = new Set(
  'png jpg jpeg gif svg webp bmp ico css scss js mjs cjs ts tsx jsx json html htm txt pdf tgz gz tar zst xml yml yaml log lock csv mp4 mp3 wav woff woff2 ttf so dll exe whl jar'.split(
    ' ',
  ),
);
/** Marks that an unquoted local part may hold by RFC 5321, and that delimit one in URLs, markup and code. */
const DELIMITERS = /[=&?/|{}#$*^`!]/;

/**
 * The address around an at sign of `width` characters at `at` (`@`, or `%40`). Local part by RFC 5321 and 6531
 * (quoted too), domain by labels with a top level of letters or an IP literal.
 */
export function emailAt(segment: Segment, at: number, width: number, floor: number): Hit | undefined {
  const end = domainEnd(segment, at + width);
  if (end === -1) return undefined;
  const start =
    segment.code(at - 1) === 34 ? quotedStart(segment, at - 1, floor) : localStart(segment, at, floor);
  if (start === -1) return undefined;
  const local = segment.text.slice(start, at);
  const domain = segment.text.slice(at + width, end);
  if (isRemote(segment, local, start, end)) return undefined;
  return { start, end, type: 'email', detector: 'email', value: normalise(local, domain) };
}

/** Lower case; domains in their Unicode form are compared as they are written. */
function normalise(local: string, domain: string): string {
  return `${local}@${domain}`.normalize('NFC').toLowerCase();
}

const REPOSITORY = /:[\w.~-]{1,100}\/[\w./-]{1,200}\.git\b/y;

/** `git@host:path` and its kin name a service, not a person. */
function isRemote(segment: Segment, local: string, start: number, end: number): boolean {
  REPOSITORY.lastIndex = end;
  if (REPOSITORY.test(segment.text)) return true;
  if (local !== 'git' && local !== 'hg') return false;
  return segment.code(end) === 58 || segment.text.slice(Math.max(0, start - 6), start).endsWith('://');
}

function isLocalCode(code: number): boolean {
  if (isAlnum(code)) return true;
  if (code >= 128) return code !== 0xfffd && !isUnicodeDelimiter(code);
  // ! # $ % & ' * + - . / = ? ^ _ ` { | } ~
  return (
    code === 33 ||
    (code >= 35 && code <= 39) ||
    code === 42 ||
    code === 43 ||
    (code >= 45 && code <= 47) ||
    code === 61 ||
    code === 63 ||
    (code >= 94 && code <= 96) ||
    (code >= 123 && code <= 126)
  );
}

/** Spaces, dashes and quotes beyond ASCII, and CJK punctuation: text around an address, not part of it. */
function isUnicodeDelimiter(code: number): boolean {
  return (
    code === 0xa0 ||
    code === 0xab ||
    code === 0xbb ||
    (code >= 0x2000 && code <= 0x206f) ||
    (code >= 0x3000 && code <= 0x3020) ||
    (code >= 0xff00 && code <= 0xff0f) ||
    (code >= 0xff1a && code <= 0xff20)
  );
}

function localStart(segment: Segment, at: number, floor: number): number {
  let start = at;
  const lowest = Math.max(floor, at - MAX_LOCAL);
  while (start > lowest && isLocalCode(segment.code(start - 1))) start--;
  if (start === lowest && lowest > floor && isLocalCode(segment.code(start - 1))) return -1;
  const whole = start;
  for (let i = at - 1; i >= start; i--) {
    if (DELIMITERS.test(segment.text[i] as string)) {
      start = i + 1;
      break;
    }
  }
  while (start < at && !isStartCode(segment.code(start))) start++;
  // Escaped text: `%3Cada@…`, `%22ada@…`.
  const prefix = /^(?:%(?:3[acd]|2[0-9a-f]|0[ad]|5b|7b))+/i.exec(segment.text.slice(start, at));
  if (prefix !== null) start += prefix[0].length;
  if (start === at)
    start =
      isDotted(segment.text.slice(whole, at)) && /^(?:^|\s)$/.test(segment.text[whole - 1] ?? '')
        ? whole
        : at;
  return start < at && isDotted(segment.text.slice(start, at)) ? start : -1;
}

const isStartCode = (code: number): boolean =>
  isAlnum(code) || code === 95 || code === 43 || code >= 128 || code === 37;

/** No dot at an end, and no two in a row. */
function isDotted(local: string): boolean {
  return local !== '' && !local.startsWith('.') && !local.endsWith('.') && !local.includes('..');
}

/** The start of `"a local part"` whose closing quote is at `close`. */
function quotedStart(segment: Segment, close: number, floor: number): number {
  for (let i = close - 1; i >= Math.max(floor, close - MAX_LOCAL); i--) {
    const code = segment.code(i);
    if (code === 34 && segment.code(i - 1) !== 92)
      return i < close - 1 && !isAlnum(segment.code(i - 1)) ? i : -1;
    if (code === 10 || code === 13) return -1;
  }
  return -1;
}

/** Where the domain that starts at `from` ends, or -1. */
function domainEnd(segment: Segment, from: number): number {
  if (segment.code(from) === 91) {
    const close = segment.text.indexOf(']', from);
    const literal = close === -1 || close - from > 50 ? '' : segment.text.slice(from + 1, close);
    return /^(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9a-f:.]+)$/i.test(literal) ? close + 1 : -1;
  }
  let end = -1;
  let label = from;
  let dots = 0;
  let i = from;
  for (; i - from <= MAX_DOMAIN; i++) {
    const code = segment.code(i);
    if (isAlnum(code) || code === 45 || (code >= 128 && !isUnicodeDelimiter(code))) continue;
    if (!isLabel(segment, label, i)) break;
    if (dots > 0 && isTopLevel(segment.text.slice(label, i))) end = i;
    if (code !== 46) {
      // `a@b.c_d` goes on: no domain that ends here.
      if (code === 95 || code === 64) return -1;
      break;
    }
    dots++;
    label = i + 1;
  }
  return end;
}

function isLabel(segment: Segment, from: number, to: number): boolean {
  return to > from && to - from <= 63 && segment.code(from) !== 45 && segment.code(to - 1) !== 45;
}

function isTopLevel(label: string): boolean {
  if (label.length < 2 || label.length > 24) return /^xn--[a-z0-9-]{2,59}$/i.test(label);
  if (/^xn--/i.test(label)) return true;
  for (let i = 0; i < label.length; i++) {
    const code = label.charCodeAt(i);
    if (!isLetter(code) && code < 128) return false;
  }
  return !FILE_ENDINGS.has(label.toLowerCase()) && !isDigit(label.charCodeAt(0));
}

/** Bracketed disguises only: `ada [at] example [dot] org`, `ada(at)example.org`. Bare words are English. Sticky. */
const DISGUISED =
  /[[({]\s?(?:at|@)\s?[\])}]\s{0,2}([a-z\d-]{1,63}(?:(?:\.|\s{0,2}[[({]\s?(?:dot|\.)\s?[\])}]\s{0,2})[a-z\d-]{2,63}){1,4})/iy;

/** The disguised address whose bracket is at `at`. */
export function disguisedEmailAt(segment: Segment, at: number, floor: number): Hit | undefined {
  DISGUISED.lastIndex = at;
  const match = DISGUISED.exec(segment.text);
  if (match === null) return undefined;
  let localEnd = at;
  while (localEnd > floor && at - localEnd < 2 && segment.code(localEnd - 1) === 32) localEnd--;
  const start = localStart(segment, localEnd, floor);
  if (start === -1) return undefined;
  const domain = (match[1] as string).replace(/\s*[[({]\s?(?:dot|\.)\s?[\])}]\s*/gi, '.').replace(/\s/g, '');
  if (!isTopLevel(domain.slice(domain.lastIndexOf('.') + 1))) return undefined;
  return {
    start,
    end: at + match[0].length,
    type: 'email',
    detector: 'email.disguised',
    value: normalise(segment.text.slice(start, localEnd), domain),
  };
}
