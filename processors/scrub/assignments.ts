import { accepts, type KeyRule, keyInfo, NAMED_KEY } from './key-names.ts';
import { type Hit, isAlnum, type Segment } from './segment.ts';

/** A name must hold one of these to be worth reading. */
const HINT = /pass|pwd|secret|token|key|auth|cred|cookie|kennwort|contrase|senha|cvv|cvc|pin$|otp|jwt/i;
const QUOTED = /(["'`])((?:(?!\1)[^\n\\]|\\.){1,512})\1/y;
/** Quoted inside of something quoted. */
const ESCAPED = /(\\{1,3})"((?:(?!\1")[^\n]){1,512})\1"/y;
const BARE = /[^\s"'`,;<>()[\]{}|&]{1,512}/y;
/** Types that stand between a name and its value: `var token string = …`, `token: string = …`. */
const TYPE = /^(?:string|str|text|char|const)$/i;
/** Marks before the `=` of `?=`, `.=`, `+=`, `!=`, `||=`, `::=`. */
const OPERATOR = '?.+!|:';
/** `x`s and other single marks that stand for a value. */
const FILLED = /x{8,}|[*#]{4,}|\.{3}$|(\S)\1{15}$/i;
const PREFIXED = /[@bfrul](?=["'`])/iy;
/** `Token …`, `ApiKey …`: a scheme and what it is given. `Bearer` and `Basic` have detectors of their own. */
const SCHEME = /(?!(?:bearer|basic)\b)[A-Za-z][\w-]{2,20} {1,2}((?=[^\s"',;]{0,64}\d)[\w.~+/=:-]{12,8192})/iy;
/** The name in the first of a call's arguments, where the second is quoted: `setProperty("DB_PASSWORD", "…`. */
const ARGUMENT = /\(\s?(["'`])([\w.-]{3,64})\1\s?,\s{0,2}(?=["'`])/y;
const USER_OPTION = /(?:^|\s)(?:-u|--user)[ =]{0,2}["']?$/;
const USER_PASSWORD = /:([^\s"'`$<>{}]{4,128})/y;

/** Text that programs put where a value goes, and words that prose does. */
const NOT_A_VALUE =
  /^(?:\$|%|<|\{|\*+$|[A-Za-z_][\w.]*\(|(?:process\.env|os\.environ|env|config|settings|self|this|req|request|options|args|params|props|vars|secrets)\b[.[]|https?:)|^(?:is|are|was|must|should|can|may|will|has|not|and|or|the|a|an|for|to|in|of|on|none|null|nil|undefined|true|false|required|optional|string|str|text|value|invalid|incorrect|wrong|expired|missing|reset|changed|forgotten|protected|manager|policy|field|hidden|redacted|example|here|your|type|bearer|basic|password|secret|token)\b[.,!?]?$/i;

/**
 * The secret that a name gives: `password=…`, `"api_key": "…"`, `DB_PASSWORD: …`. The name ends before `at`, which is
 * the `=` or `:`. Unquoted, the value must look like one.
 */
export function assignedAt(
  segment: Segment,
  at: number,
  nameStart: number,
  nameEnd: number,
): Hit | undefined {
  if (nameEnd - nameStart < 3 || nameEnd - nameStart > 64) return undefined;
  const name = segment.text.slice(nameStart, nameEnd);
  if (TYPE.test(name)) {
    const before = segment.code(nameStart - 1) === 32 ? nameStart - 1 : nameStart;
    if (before === nameStart && segment.code(before - 1) !== 58) return undefined;
    return namedBy(
      segment,
      at,
      ...nameBefore(segment, segment.code(before - 1) === 58 ? before - 1 : before, 0),
    );
  }
  return namedBy(segment, at, nameStart, nameEnd);
}

function namedBy(segment: Segment, at: number, nameStart: number, nameEnd: number): Hit | undefined {
  if (nameEnd - nameStart < 3 || nameEnd - nameStart > 64) return undefined;
  const name = segment.text.slice(nameStart, nameEnd);
  if (!HINT.test(name)) return undefined;
  // `?key=…`
  const rule =
    name.toLowerCase() === 'key' && segment.code(at) === 61
      ? NAMED_KEY
      : keyInfo(name.slice(name.lastIndexOf('.') + 1)).rule;
  if (rule === undefined || rule.type !== 'secret') return undefined;
  let from = at + 1;
  // `::=`
  if (segment.code(at) === 58) {
    let colons = from;
    while (colons < at + 4 && segment.code(colons) === 58) colons++;
    if (segment.code(colons) === 61) from = colons;
  }
  // `:=`, `=>`, `===`
  const operator = from;
  while (from < operator + 2 && (segment.code(from) === 61 || segment.code(from) === 62)) from++;
  const spaced = segment.code(from) === 32 || segment.code(from) === 9;
  const spaces = from;
  while (from < spaces + 4 && (segment.code(from) === 32 || segment.code(from) === 9)) from++;
  return valueAt(segment, from, rule, spaced || segment.code(at) === 58, name);
}

const ELEMENT = /<([A-Za-z][\w:.-]{2,40})>([^<>]{1,512})<\//y;

/** The secret in an element of XML, `<password>…</`, whose `<` is at `at`. */
export function elementAt(segment: Segment, at: number): Hit | undefined {
  ELEMENT.lastIndex = at;
  const match = ELEMENT.exec(segment.text);
  if (match === null || !HINT.test(match[1] as string)) return undefined;
  const { rule } = keyInfo((match[1] as string).replace(/^.*:/, ''));
  const value = match[2] as string;
  if (rule === undefined || rule.type !== 'secret' || !accepts(rule, value)) return undefined;
  return hit(ELEMENT.lastIndex - 2 - value.length, value, rule);
}

/** The secret that a call gives with its name, `("DB_PASSWORD", "…")`, whose parenthesis is at `at`. */
export function argumentAt(segment: Segment, at: number): Hit | undefined {
  ARGUMENT.lastIndex = at;
  const match = ARGUMENT.exec(segment.text);
  if (match === null || !HINT.test(match[2] as string)) return undefined;
  const name = match[2] as string;
  const { rule } = keyInfo(name.slice(name.lastIndexOf('.') + 1));
  return rule?.type === 'secret' ? valueAt(segment, ARGUMENT.lastIndex, rule, true, name) : undefined;
}

/** The password in `curl -u user:…`, whose colon is at `at`; the user's name starts at `nameStart`. */
export function userPasswordAt(segment: Segment, at: number, nameStart: number): Hit | undefined {
  if (!USER_OPTION.test(segment.text.slice(Math.max(0, nameStart - 10), nameStart))) return undefined;
  if (!/\bcurl\b/.test(segment.text.slice(Math.max(0, at - 512), at))) return undefined;
  USER_PASSWORD.lastIndex = at;
  const match = USER_PASSWORD.exec(segment.text);
  if (match === null || FILLED.test(match[1] as string)) return undefined;
  const value = match[1] as string;
  return { start: at + 1, end: at + 1 + value.length, type: 'secret', detector: 'secret.curl_user', value };
}

/** The secret after a command's option, `--password …`, whose name stands from `start` to `end`. `sure`: no dash of prose. */
export function flagAt(segment: Segment, start: number, end: number, sure: boolean): Hit | undefined {
  const name = segment.text.slice(start, end);
  const rule = HINT.test(name) ? keyInfo(name).rule : undefined;
  return rule === undefined ? undefined : valueAt(segment, end + 1, rule, !sure, name);
}

const STATED_ENDINGS = new Set(['ord', 'ode', 'ase', 'pin', 'cvv', 'key', 'ken']);
const STATED =
  /(?:^|[^a-z])(password|passcode|passphrase|pin|pin code|cvv|api key|secret key|access token)\s(?:is|was)$/i;

/** The secret after `password is`, which ends at `at`. */
export function statedAt(segment: Segment, at: number): Hit | undefined {
  // `at` is after "is" or "was": most words before it are told by their last letters to be none of the names.
  const space = segment.code(at - 3) === 32 ? at - 3 : at - 4;
  if (!STATED_ENDINGS.has(segment.text.slice(space - 3, space).toLowerCase())) return undefined;
  const name = STATED.exec(segment.text.slice(Math.max(0, at - 24), at));
  if (name === null) return undefined;
  const rule = keyInfo((name[1] as string).toLowerCase().replace(' ', '_')).rule;
  if (rule === undefined) return undefined;
  let from = at;
  while (from < at + 4 && (segment.code(from) === 32 || segment.code(from) === 58)) from++;
  return valueAt(segment, from, rule, true, name[1] as string);
}

/** The value at `from`. `prose`: a colon or spaces came before it, so it may be a word of a sentence. */
function valueAt(
  segment: Segment,
  from: number,
  rule: KeyRule,
  prose: boolean,
  name: string,
): Hit | undefined {
  PREFIXED.lastIndex = from;
  let open = PREFIXED.test(segment.text) ? from + 1 : from;
  ESCAPED.lastIndex = open;
  const escaped = ESCAPED.exec(segment.text);
  if (escaped !== null) open += (escaped[1] as string).length;
  QUOTED.lastIndex = open;
  const quoted = escaped ?? QUOTED.exec(segment.text);
  if (quoted !== null) {
    const value = quoted[2] as string;
    // A sentence about it.
    if (/\s/.test(value) && !/\d/.test(value) && rule.form !== 'cookie') return undefined;
    if (!accepts(rule, value) || NOT_A_VALUE.test(value) || value.toLowerCase() === name.toLowerCase())
      return undefined;
    return FILLED.test(value) ? undefined : hit(open + 1, value, rule);
  }
  if (rule.detector === 'key_name.authorization') {
    SCHEME.lastIndex = from;
    const scheme = SCHEME.exec(segment.text);
    if (scheme !== null) {
      const given = scheme[1] as string;
      return hit(SCHEME.lastIndex - given.length, given, rule);
    }
  }
  BARE.lastIndex = from;
  const bare = BARE.exec(segment.text);
  // A call in code is no value.
  if (bare === null || segment.code(from + bare[0].length) === 40) return undefined;
  // At the end of a sentence its mark is not the value's.
  const after = segment.code(from + bare[0].length);
  const value = after === -1 || after <= 32 ? bare[0].replace(/[.,!?:]+$/, '') : bare[0];
  if (value.length < 4 && rule.form !== 'digits') return undefined;
  if (!accepts(rule, value) || NOT_A_VALUE.test(value) || value.toLowerCase() === name.toLowerCase())
    return undefined;
  if ((rule.form !== 'digits' && !looksChosen(value, prose)) || FILLED.test(value)) return undefined;
  return hit(from, value, rule);
}

/** Not a word of prose, and not a name in code: a digit or a mark in it, or capitals inside. */
function looksChosen(value: string, prose: boolean): boolean {
  if (/^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/.test(value) && !/\d/.test(value)) return false;
  if (/\d/.test(value)) return value.length >= 5;
  if (/^[A-Za-z]+(?:[_-][A-Za-z]+)*$/.test(value)) {
    return !prose && value.length >= 6 && !value.includes('_');
  }
  return value.length >= 6 && /[^\w\s.,:'’-]/.test(value);
}

function hit(start: number, value: string, rule: KeyRule): Hit {
  return {
    start,
    end: start + value.length,
    type: rule.type,
    detector: rule.detector.replace('key_name', 'assignment'),
    value,
  };
}

/** The bounds of the name that ends before `at`, past spaces and a closing quote. */
export function nameBefore(
  segment: Segment,
  at: number,
  floor: number,
): readonly [start: number, end: number] {
  let end = at;
  if (segment.code(at) === 61) while (end > at - 3 && isOperator(segment.code(end - 1))) end--;
  if (segment.code(end - 1) === 32) end--;
  const quote = segment.code(end - 1);
  if (quote === 34 || quote === 39 || quote === 96) {
    end--;
    // JSON in a string of code: `{\\"password\\": …`
    while (end > at - 6 && segment.code(end - 1) === 92) end--;
  }
  if (segment.code(end - 1) === 93) end--;
  if (segment.code(end - 1) === 34 || segment.code(end - 1) === 39) end--;
  let start = end;
  while (start > floor && end - start < 65) {
    const code = segment.code(start - 1);
    if (!isAlnum(code) && code !== 95 && code !== 45 && code !== 46) break;
    start--;
  }
  return [start, end];
}

const isOperator = (code: number): boolean =>
  code !== -1 && code < 128 && OPERATOR.includes(String.fromCharCode(code));
