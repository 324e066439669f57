import { accepts, type KeyRule, keyInfo } from './key-names.ts';
import { type Hit, isAlnum, type Segment } from './segment.ts';

/** A name must hold one of these to be worth reading. */
const HINT = /pass|pwd|secret|token|key|auth|cred|cookie|kennwort|contrase|senha|cvv|cvc|pin$|otp|jwt/i;
const QUOTED = /(["'`])((?:(?!\1)[^\n\\]|\\.){1,512})\1/y;
const BARE = /[^\s"'`,;<>()[\]{}|&]{1,512}/y;

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
  if (!HINT.test(name)) return undefined;
  const rule = keyInfo(name.slice(name.lastIndexOf('.') + 1)).rule;
  if (rule === undefined || rule.type !== 'secret') return undefined;
  let from = at + 1;
  // `:=`, `=>`, `==`
  while (from < at + 3 && (segment.code(from) === 61 || segment.code(from) === 62)) from++;
  const spaced = segment.code(from) === 32 || segment.code(from) === 9;
  while (from < at + 6 && (segment.code(from) === 32 || segment.code(from) === 9)) from++;
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

/** The secret after a command's option, `--password …`, whose name stands from `start` to `end`. */
export function flagAt(segment: Segment, start: number, end: number): Hit | undefined {
  const name = segment.text.slice(start, end);
  const rule = HINT.test(name) ? keyInfo(name).rule : undefined;
  return rule === undefined ? undefined : valueAt(segment, end + 1, rule, false, name);
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
  QUOTED.lastIndex = from;
  const quoted = QUOTED.exec(segment.text);
  if (quoted !== null) {
    const value = quoted[2] as string;
    // A sentence about it.
    if (/\s/.test(value) && !/\d/.test(value) && rule.form !== 'cookie') return undefined;
    if (!accepts(rule, value) || NOT_A_VALUE.test(value) || value.toLowerCase() === name.toLowerCase())
      return undefined;
    return hit(from + 1, value, rule);
  }
  // `Authorization: Bearer …` has a detector of its own.
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
  if (rule.form !== 'digits' && !looksChosen(value, prose)) return undefined;
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
  if (segment.code(end - 1) === 32) end--;
  const quote = segment.code(end - 1);
  if (quote === 34 || quote === 39 || quote === 96) end--;
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
