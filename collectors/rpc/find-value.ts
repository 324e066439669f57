/** Half-open range of UTF-16 code units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the value at `path` stands in JSON text, so that it can be cut out as it was written: a 64-bit integer keeps
 * its digits and `1.0` stays `1.0`. Of a repeated key the last one counts, as `JSON.parse` has it. Undefined where
 * there is no such value or the text ends early. The text is taken to be JSON; on other text the answer is some
 * range or undefined, in linear time, never an exception.
 */
export function findValue(text: string, path: readonly (string | number)[]): Span | undefined {
  let at = skipSpace(text, 0);
  for (const step of path) {
    const found = typeof step === 'number' ? findItem(text, at, step) : findMember(text, at, step);
    if (found < 0) return undefined;
    at = found;
  }
  const end = skipValue(text, at);
  return end < 0 ? undefined : { start: at, end };
}

/**
 * Whether readers of JSON may differ on what an object's members of these names are: one is repeated (some take the
 * first, `JSON.parse` the last), or written in another case (Go's `encoding/json` takes it all the same). False where
 * there is no object at `path`.
 */
export function isAmbiguous(text: string, path: readonly string[], names: readonly string[]): boolean {
  const start = findValue(text, path)?.start ?? -1;
  const seen = new Set<string>();
  let at = start < 0 || text.charCodeAt(start) !== OPEN_OBJECT ? -1 : skipSpace(text, start + 1);
  while (at >= 0 && text.charCodeAt(at) === QUOTE) {
    const keyEnd = skipString(text, at);
    if (keyEnd < 0) return false;
    const name = shortKey(text, at, keyEnd);
    if (name !== undefined && names.includes(name.toUpperCase().toLowerCase())) {
      if (!names.includes(name) || seen.has(name)) return true;
      seen.add(name);
    }
    at = skipSpace(text, keyEnd);
    if (text.charCodeAt(at) !== COLON) return false;
    at = skipValue(text, skipSpace(text, at + 1));
    if (at < 0) return false;
    at = skipSpace(text, at);
    if (text.charCodeAt(at) !== COMMA) return false;
    at = skipSpace(text, at + 1);
  }
  return false;
}

/** Longest way to write a name that is looked for: each unit of it as an escape. */
const LONGEST_KEY = 128;

function shortKey(text: string, start: number, end: number): string | undefined {
  if (end - start > LONGEST_KEY) return undefined;
  const written = text.slice(start + 1, end - 1);
  if (!written.includes('\\')) return written;
  try {
    return JSON.parse(text.slice(start, end)) as string;
  } catch {
    return undefined;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function skipSpace(text: string, at: number): number {
  while (at < text.length && isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** Start of the value of an object's member, or -1. */
function findMember(text: string, at: number, key: string): number {
  if (text.charCodeAt(at) !== OPEN_OBJECT) return -1;
  let found = -1;
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = skipString(text, at);
    if (keyEnd < 0) return found;
    const matches = keyIs(text, at, keyEnd, key);
    at = skipSpace(text, keyEnd);
    if (text.charCodeAt(at) !== COLON) return found;
    at = skipSpace(text, at + 1);
    if (matches) found = at;
    at = skipValue(text, at);
    if (at < 0) return found;
    at = skipSpace(text, at);
    if (text.charCodeAt(at) !== COMMA) return found;
    at = skipSpace(text, at + 1);
  }
  return found;
}

/** Start of an array's item, or -1. */
function findItem(text: string, at: number, index: number): number {
  if (text.charCodeAt(at) !== OPEN_ARRAY) return -1;
  at = skipSpace(text, at + 1);
  if (text.charCodeAt(at) === CLOSE_ARRAY) return -1;
  for (let i = 0; i < index; i++) {
    at = skipValue(text, at);
    if (at < 0) return -1;
    at = skipSpace(text, at);
    if (text.charCodeAt(at) !== COMMA) return -1;
    at = skipSpace(text, at + 1);
  }
  return at < text.length ? at : -1;
}

function keyIs(text: string, start: number, end: number, key: string): boolean {
  const written = text.slice(start + 1, end - 1);
  if (!written.includes('\\')) return written === key;
  try {
    return JSON.parse(text.slice(start, end)) === key;
  } catch {
    return false;
  }
}

/** One past the closing quote of the string that begins at `at`, or -1. */
function skipString(text: string, at: number): number {
  for (let from = at + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return -1;
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

/** One past the value that begins at `at`, or -1 where there is none or the text ends inside it. */
function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return skipString(text, at);
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
    let depth = 0;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        at = skipString(text, at);
        if (at < 0) return -1;
        continue;
      }
      at++;
      if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++;
      else if ((code === CLOSE_OBJECT || code === CLOSE_ARRAY) && --depth === 0) return at;
    }
    return -1;
  }
  const start = at;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_ARRAY || code === CLOSE_OBJECT || code === COLON || isSpace(code))
      break;
    at++;
  }
  return at > start ? at : -1;
}
