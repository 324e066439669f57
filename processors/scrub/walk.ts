import { CodeUnits } from './code-units.ts';
import { applyEdits, type Edit, joinEdits } from './edits.ts';
import { decode, encodeEdits } from './json-string.ts';
import { digitsEnd, isLoneScalar, isLuhn, isWhite, literalEnd, numberEnd, stringEnd } from './json-tokens.ts';
import { accepts, type KeyInfo, type KeyRule, keyInfo, NO_KEY } from './key-names.ts';
import { KnownKeys, LONGEST_KEY } from './known-keys.ts';
import { isBase64, mediaHit } from './media.ts';
import { isPlainId } from './plain-ids.ts';
import { PLACEHOLDER } from './pseudonym.ts';
import { scan, scanUnits } from './scan.ts';
import { type Hit, isDigit } from './segment.ts';

/** JSON in strings of JSON that is walked as such; deeper, it is text. */
const MAX_EMBEDDED = 6;
/** Open objects and arrays; deeper, the rest is text. */
const MAX_DEPTH = 5_000;
/** Passes until a text has nothing more to find; one that still has is an error. */
const MAX_PASSES = 16;
/** A blob is media from this length; shorter base64 is a word. */
const SHORTEST_BLOB = 16;
/** A payload that was cut before its type is media from this length. */
const SHORTEST_CUT_PAYLOAD = 256;

const NONE: readonly Edit[] = [];

interface Frame {
  readonly array: boolean;
  /** Context of the values inside. */
  readonly key: KeyInfo;
  /** Keys here declare: JSON Schema's properties. */
  readonly declarations: boolean;
  /** The whole is replaced when it closes: where it starts, by which rule, and how many edits there were before. */
  readonly whole: { readonly start: number; readonly rule: KeyRule; readonly edits: number } | undefined;
  type: string;
  mimeType: string;
  /** Base64 under `data` or `blob`, decided about when the object closes. */
  payloads: { start: number; end: number; blob: boolean; key: KeyInfo }[] | undefined;
}

/** Finds the edits of texts. Remembers keys that it has seen; nothing of values. */
export class Walker {
  readonly keys = new KnownKeys();
  /** One for each depth of JSON in strings: a walk's code units are read while those inside of it are walked. */
  readonly #readers = Array.from({ length: MAX_EMBEDDED + 1 }, () => new CodeUnits());

  /** Edits of text that may be JSON, or start as JSON, or be no JSON at all. */
  text(text: string, key: KeyInfo, name: Name, embedded = 0): readonly Edit[] {
    return embedded < MAX_EMBEDDED && startsAsJson(text)
      ? this.json(text, key, name, embedded)
      : plain(text, key, name);
  }

  /** Edits of a message's own JSON, which may be a lone string or number too. */
  message(text: string, key: KeyInfo, name: Name): readonly Edit[] {
    return !startsAsJson(text) && isLoneScalar(text)
      ? this.json(text, key, name, 0)
      : this.text(text, key, name);
  }

  /** Edits of JSON text; from where it stops being JSON, of plain text. */
  json(text: string, key: KeyInfo, name: Name, embedded: number): readonly Edit[] {
    const units = (this.#readers[embedded] as CodeUnits).read(text, 0, text.length);
    return new Walk(text, units, name, embedded, this).run(key);
  }
}

/** Names a finding: its pseudonym. */
export type Name = (type: string, normalised: string) => string;

/** Opens with a brace or bracket: MCP's text blocks often hold JSON. */
function startsAsJson(text: string): boolean {
  let i = 0;
  while (i < text.length && i < 64 && isWhite(text.charCodeAt(i))) i++;
  const code = text.charCodeAt(i);
  return code === 123 || code === 91;
}

/** Edits of plain text, until what they leave has nothing to find: scrubbing again then changes nothing. */
export function plain(text: string, key: KeyInfo, name: Name): readonly Edit[] {
  let hits = scan(text, key);
  if (hits.length === 0) return NONE;
  let edits = hits.map((hit) => toEdit(hit, name));
  for (let pass = 1; pass < MAX_PASSES; pass++) {
    const scrubbed = applyEdits(text, edits);
    hits = scan(scrubbed, key);
    if (hits.length === 0) return edits;
    edits = joinEdits(
      edits,
      hits.map((hit) => toEdit(hit, name)),
    );
  }
  throw new Error('Scrubbing found something in each of its passes.');
}

function toEdit({ start, end, type, detector, value, note }: Hit, name: Name): Edit {
  return { start, end, type, detector, replacement: note ?? name(type, value) };
}

/** One walk over one JSON text. */
class Walk {
  readonly #text: string;
  readonly #units: Uint16Array;
  readonly #name: Name;
  readonly #embedded: number;
  readonly #walker: Walker;
  readonly #edits: Edit[] = [];
  readonly #frames: Frame[] = [];
  #sorted = true;
  /** The first backslash from some place on, so that each is looked for once. */
  #nextBackslash = -1;

  constructor(text: string, units: Uint16Array, name: Name, embedded: number, walker: Walker) {
    this.#text = text;
    this.#units = units;
    this.#name = name;
    this.#embedded = embedded;
    this.#walker = walker;
  }

  run(outer: KeyInfo): readonly Edit[] {
    const rest = this.#walk(outer);
    // A number that turned out to begin the rest is read again, as text.
    while ((this.#edits.at(-1)?.start ?? -1) >= rest) this.#edits.pop();
    for (let frame = this.#frames.pop(); frame !== undefined; frame = this.#frames.pop()) this.#cutAt(frame);
    const covered = this.#edits.some((edit) => edit.end === this.#text.length && edit.start < rest);
    if (rest < this.#text.length && !covered) {
      for (const edit of plain(this.#text.slice(rest), outer, this.#name)) {
        this.#edits.push({ ...edit, start: edit.start + rest, end: edit.end + rest });
      }
    }
    return this.#sorted ? this.#edits : this.#edits.sort((a, b) => a.start - b.start);
  }

  /** Walks as far as the text is JSON (one value after another counts), and returns where the rest starts. */
  #walk(outer: KeyInfo): number {
    const text = this.#text;
    const units = this.#units;
    const frames = this.#frames;
    let i = 0;
    /** Where the text that a misplaced character makes no JSON starts: a number before it belongs to it. */
    let safe = 0;
    let expected: 'value' | 'first' | 'key' | 'firstKey' | 'colon' | 'comma' = 'value';
    let key: KeyInfo = outer;
    /** The rule of the key before, unless it only declares. */
    let rule: KeyRule | undefined;
    let role: KeyInfo['role'];
    while (i < text.length) {
      const code = units[i] as number;
      if (isWhite(code)) {
        i++;
        continue;
      }
      if (expected === 'colon') {
        if (code !== 58) return safe;
        expected = 'value';
        i++;
        continue;
      }
      const frame = frames.at(-1);
      if (expected === 'comma') {
        if (frame === undefined) {
          // Another value may follow the first: NDJSON.
          if (code !== 123 && code !== 91) return safe;
          expected = 'value';
          continue;
        }
        if (code === 44) {
          expected = frame.array ? 'value' : 'key';
          if (frame.array) {
            key = frame.key;
            rule = undefined;
            role = undefined;
          }
          i++;
          safe = i;
          continue;
        }
        if (code !== (frame.array ? 93 : 125)) return safe;
        i = this.#close(i + 1);
        safe = i;
        continue;
      }
      if ((expected === 'first' && code === 93) || (expected === 'firstKey' && code === 125)) {
        i = this.#close(i + 1);
        safe = i;
        expected = 'comma';
        continue;
      }
      if (code === 34) {
        const close = stringEnd(text, units, i + 1);
        const end = close === -1 ? text.length : close;
        if (expected === 'key' || expected === 'firstKey') {
          const info = this.#key(i + 1, end);
          const around = frame as Frame;
          key = info.neutral ? around.key : info;
          rule = around.declarations ? undefined : info.rule;
          role = info.role;
          expected = 'colon';
        } else {
          this.#string(i + 1, end, key, rule, role);
          expected = 'comma';
        }
        i = end + 1;
        if (close === -1) return text.length;
        safe = i;
        continue;
      }
      if (expected === 'key' || expected === 'firstKey') return safe;
      if (code === 123 || code === 91) {
        if (frames.length >= MAX_DEPTH) return safe;
        const array = code === 91;
        const whole =
          rule !== undefined && rule.form === 'any'
            ? { start: i, rule, edits: this.#edits.length }
            : undefined;
        frames.push({
          array,
          key,
          declarations: !array && role === 'declarations',
          whole,
          type: '',
          mimeType: '',
          payloads: undefined,
        });
        expected = array ? 'first' : 'firstKey';
        rule = undefined;
        role = undefined;
        i++;
        safe = i;
        continue;
      }
      const end = this.#scalar(i, key, rule);
      if (end === -1) return safe;
      expected = 'comma';
      i = end;
    }
    return text.length;
  }

  /** The end of the number or literal at `at`, or −1. */
  #scalar(at: number, key: KeyInfo, rule: KeyRule | undefined): number {
    const units = this.#units;
    const code = units[at] as number;
    if (code === 116 || code === 102 || code === 110) return literalEnd(this.#text, at);
    const end = numberEnd(units, at, this.#text.length);
    if (end === -1) return -1;
    const next = units[end] as number;
    // `415-555`, `1.2.3`: no number of JSON, and the rest is text from here on.
    if (end < this.#text.length && !isWhite(next) && next !== 44 && next !== 93 && next !== 125) return -1;
    const named = key.phone || key.ssn;
    if (rule === undefined && !this.#mayBeFinding(at, end, named)) return end;
    const token = this.#text.slice(at, end);
    if (
      rule !== undefined &&
      accepts(rule, token) &&
      rule.form !== 'token' &&
      rule.form !== 'word' &&
      rule.form !== 'random'
    ) {
      this.#edits.push(this.#named(at, at + token.length, rule, token, true));
    } else if (this.#mayBeFinding(at, end, named)) {
      const hit = scan(token, key).find(({ start, end }) => start === 0 && end === token.length);
      if (hit !== undefined) {
        this.#edits.push({
          ...toEdit(hit, this.#name),
          start: at,
          end: at + token.length,
          replacement: `"${this.#name(hit.type, hit.value)}"`,
        });
      }
    }
    return at + token.length;
  }

  /** Whether a number, bare or the whole of a string, can be anything: digits alone, with a card's check digit unless its key says phone or SSN. */
  #mayBeFinding(at: number, end: number, named: boolean): boolean {
    if (end - at < (named ? 7 : 12) || end - at > 19) return false;
    for (let i = at; i < end; i++) if (!isDigit(this.#units[i] as number)) return false;
    return named || isLuhn(this.#units, at, end);
  }

  #named(start: number, end: number, rule: KeyRule, value: string, quoted: boolean): Edit {
    const pseudonym = this.#name(rule.type, value);
    return {
      start,
      end,
      type: rule.type,
      detector: rule.detector,
      replacement: quoted ? `"${pseudonym}"` : pseudonym,
    };
  }

  /** A key's meaning, after its own text was scrubbed. */
  #key(start: number, end: number): KeyInfo {
    const known = this.#walker.keys.known(this.#text, this.#units, start, end);
    if (known !== undefined) return known;
    const raw = this.#text.slice(start, end);
    const text = decode(raw);
    const found = plain(text, NO_KEY, this.#name);
    if (found.length > 0) {
      this.#edits.push(...encodeEdits(raw, start, found));
      return NO_KEY;
    }
    return text === raw && raw.length <= LONGEST_KEY
      ? this.#walker.keys.remember(raw, this.#units, start, end)
      : keyInfo(text);
  }

  #string(start: number, end: number, key: KeyInfo, rule: KeyRule | undefined, role: KeyInfo['role']): void {
    const frame = this.#frames.at(-1);
    if (role !== undefined && frame !== undefined && !frame.array) {
      if (role === 'type' && end - start < 32) frame.type = this.#text.slice(start, end);
      else if (role === 'mimeType' && end - start < 128)
        frame.mimeType = decode(this.#text.slice(start, end));
      else if (role === 'payload' && isBase64(this.#text.slice(start, end).replaceAll('\\/', '/'))) {
        frame.payloads ??= [];
        frame.payloads.push({ start, end, blob: this.#isBlob(start), key });
        return;
      }
    }
    if (rule === undefined && this.#isQuiet(start, end, key)) return;
    const raw = this.#text.slice(start, end);
    const value = decode(raw);
    if (rule !== undefined && accepts(rule, value)) {
      if (!isPlaceholder(value)) this.#edits.push(this.#named(start, end, rule, value, false));
      return;
    }
    this.#content(raw, value, start, key);
  }

  /** Whether a string holds nothing: most do, and this is told without making anything. */
  #isQuiet(start: number, end: number, key: KeyInfo): boolean {
    const text = this.#text;
    if (start === end || isPlainId(this.#units, start, end)) return true;
    const first = this.#units[start] as number;
    if (isDigit(first) && digitsEnd(this.#units, start, end) === end)
      return !this.#mayBeFinding(start, end, key.phone || key.ssn);
    if (first === 123 || first === 91 || isWhite(first)) return false;
    if (this.#nextBackslash < start) {
      const found = text.indexOf('\\', start);
      this.#nextBackslash = found === -1 ? text.length : found;
    }
    return this.#nextBackslash >= end && scanUnits(text, this.#units, start, end, key).length === 0;
  }

  #content(raw: string, value: string, start: number, key: KeyInfo): void {
    const found = this.#walker.text(value, key, this.#name, this.#embedded + 1);
    if (found.length > 0) this.#edits.push(...encodeEdits(raw, start, found));
  }

  /** Whether the key of the string at `start` is `blob`. */
  #isBlob(start: number): boolean {
    return /"blob"\s*:\s*"$/.test(this.#text.slice(Math.max(0, start - 32), start));
  }

  /** Closes the innermost object or array, which ends before `end`. */
  #close(end: number): number {
    const frame = this.#frames.pop() as Frame;
    this.#payloads(frame, false);
    if (frame.whole !== undefined && !isHollow(this.#text, frame.whole.start, end)) {
      this.#replaceWhole(frame.whole, end);
    }
    return end;
  }

  /** An object or array that the text's end cut off: what it may hold is taken for the worst. */
  #cutAt(frame: Frame): void {
    this.#payloads(frame, true);
    if (frame.whole !== undefined) this.#replaceWhole(frame.whole, this.#text.length);
  }

  #replaceWhole({ start, rule, edits }: NonNullable<Frame['whole']>, end: number): void {
    this.#edits.length = edits;
    this.#edits.push(this.#named(start, end, rule, this.#text.slice(start, end), true));
  }

  #payloads(frame: Frame, cut: boolean): void {
    if (frame.payloads === undefined) return;
    for (const { start, end, blob, key } of frame.payloads) {
      const length = end - start;
      const isMedia = blob
        ? length >= SHORTEST_BLOB
        : frame.type === 'image' ||
          frame.type === 'audio' ||
          frame.type === 'video' ||
          (/^(?:image|audio|video)\//.test(frame.mimeType) && length >= SHORTEST_BLOB);
      this.#sorted = false;
      if (isMedia || (cut && frame.type === '' && length >= SHORTEST_CUT_PAYLOAD)) {
        this.#edits.push(
          toEdit(
            mediaHit(
              start,
              end,
              frame.mimeType || `${frame.type || 'application'}/*`.replace('/*', '/octet-stream'),
            ),
            this.#name,
          ),
        );
      } else {
        const raw = this.#text.slice(start, end);
        this.#content(raw, decode(raw), start, key);
      }
    }
  }
}

/** Whether an object or array holds nothing, or only nulls: no value of anyone. */
function isHollow(text: string, start: number, end: number): boolean {
  if (end - start > 256) return false;
  const values = text.slice(start, end).replace(/(?:"[^"\\]*"\s*:\s*)?\bnull\b/g, '');
  return /^[{[][\s,]*[}\]]$/.test(values);
}

function isPlaceholder(value: string): boolean {
  PLACEHOLDER.lastIndex = 0;
  return PLACEHOLDER.test(value) && PLACEHOLDER.lastIndex === value.length;
}
