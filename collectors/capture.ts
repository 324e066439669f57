import { type HashKey, keyedHash } from '../core/keyed-hash.ts';
import type { Finding, Scrubber, ScrubResult } from '../processors/scrub/index.ts';
import type { Content } from '../schemas/call-event.ts';

/** Default limit of captured text a side, bytes. */
export const CAPTURE_MAX_BYTES = 64 * 1024;

/**
 * Of a long text only the first so many UTF-16 units are scrubbed (and its findings counted): what is kept lies in
 * them, and the host's thread is never held for long by one message. Seen: 15 ms for rows of text, up to 100 ms where
 * every item is a finding.
 */
const WINDOW = 256 * 1024;

/** Unless it is for a payload of images or audio, which is skipped quickly and must be seen to its end to be counted. */
const MEDIA_WINDOW = 8 * 1024 * 1024;

/**
 * What a window's end may have cut in two goes with its last so many units of output: more than the longest thing
 * that a detector takes for one finding.
 */
const WINDOW_MARGIN = 16 * 1024;

/**
 * The hash is over the whole content up to so many UTF-16 units; a longer one has no hash. Ordering and hashing cost
 * 10 to 40 ms a Mi, by the number of its parts, and this runs beside a server.
 */
export const HASH_MAX_UNITS = 2 * 1024 * 1024;

/** No pseudonym is longer, brackets included. */
const MAX_PSEUDONYM = 160;

export interface CaptureOptions {
  readonly scrubber: Scrubber;
  readonly contentKey: HashKey;
  /** Limit of captured text a side, bytes; 0 leaves content out (sizes and hash stay). */
  readonly maxBytes: number;
}

/** One side of a message: its JSON text as it was written, what that parses to, or both. */
export interface ContentSource {
  /** Without it, `JSON.stringify` of the value, and `reserialized`. */
  readonly text?: string;
  readonly source?: 'wire' | 'reserialized';
  /** Saves parsing the text. */
  readonly value?: unknown;
}

export const NO_CONTENT: Content = { state: 'none', bytes: 0 };

/** Content that is left out: only its size is told. */
export function omitted(text: string): Content {
  return { state: 'omitted', bytes: Buffer.byteLength(text) };
}

/**
 * What a record holds of one side of a call: size, keyed hash, and the scrubbed text, cut at `maxBytes` on a code
 * point boundary and never inside a pseudonym. Fails closed: where the scrubber or the serialiser throws, the
 * content is `withheld`. Never throws.
 */
export function captureContent(from: ContentSource, options: CaptureOptions): Content {
  let text = from.text;
  try {
    text ??= JSON.stringify(from.value);
  } catch {
    return { state: 'withheld', bytes: 0 };
  }
  if (text === undefined) return NO_CONTENT;
  const bytes = Buffer.byteLength(text);
  const hash = hashOf(text, from, options.contentKey);
  const content: Content = { state: 'omitted', bytes };
  if (hash !== undefined) content.hash = hash;
  if (options.maxBytes === 0) return content;
  try {
    const { scrubber } = options;
    const { scrubbed, safe, whole } = scrubHead(text, scrubber, options.maxBytes);
    const kept = cutBytes(safe, options.maxBytes);
    const findings = countByType(scrubbed.findings);
    content.state = whole && kept.length === scrubbed.text.length ? 'captured' : 'truncated';
    content.text = withoutNul(kept);
    content.source = from.text === undefined ? 'reserialized' : (from.source ?? 'wire');
    if (scrubbed.media.items > 0) content.media = { ...scrubbed.media };
    content.scrub = { version: scrubber.version, kid: scrubber.kid, findings };
  } catch {
    return { state: 'withheld', bytes, ...(hash !== undefined && { hash }) };
  }
  return content;
}

/** Scrubbed plain text of up to `maxUnits` UTF-16 units, or undefined where the scrubber throws. */
export function captureText(text: string, options: CaptureOptions, maxUnits: number): string | undefined {
  try {
    const window = cutUnits(text, maxUnits * 8);
    const { text: scrubbed } = options.scrubber.plain(window);
    return withoutNul(cutOutsidePseudonym(scrubbed, maxUnits));
  } catch {
    return undefined;
  }
}

/** The keyed hash of a content, or undefined where it is too long or is not JSON. */
function hashOf(text: string, { text: wire, value }: ContentSource, key: HashKey): Content['hash'] {
  if (text.length > HASH_MAX_UNITS) return undefined;
  try {
    if (value === undefined) return keyedHash(key, JSON.parse(text));
    return wire === undefined ? keyedHash(key, value, text) : keyedHash(key, value);
  } catch {
    return undefined;
  }
}

function countByType(findings: readonly Finding[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of findings) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

interface Scrubbed {
  readonly scrubbed: ScrubResult;
  /** Its text as far as nothing was cut in two. */
  readonly safe: string;
  /** Whether that is all of the content. */
  readonly whole: boolean;
}

/** Scrubs as much of a content as is kept of it at most, or all where a payload would end the window. */
function scrubHead(text: string, scrubber: Scrubber, maxBytes: number): Scrubbed {
  const window = Math.max(WINDOW, maxBytes + 2 * WINDOW_MARGIN);
  for (const units of [window, MEDIA_WINDOW]) {
    if (text.length <= units) {
      const scrubbed = scrubber.json(text);
      return { scrubbed, safe: scrubbed.text, whole: true };
    }
    const scrubbed = scrubber.json(cutUnits(text, units));
    const endsInPayload = MEDIA_AT_END.test(scrubbed.text.slice(-MAX_PSEUDONYM));
    if (endsInPayload && units < MEDIA_WINDOW) continue;
    return { scrubbed, safe: endsInPayload ? scrubbed.text : withoutTail(scrubbed.text), whole: false };
  }
  throw new Error('unreachable: the last window always answers');
}

/** A payload's stand-in, whole, and nothing after it: not even the quote that closes its string. */
const MEDIA_AT_END = /<media:[^<>]{1,150}>$/;

/** A window's scrubbed text without its end, which may hold a part of a finding. */
function withoutTail(text: string): string {
  const kept = cutOutsidePseudonym(text, Math.max(0, text.length - WINDOW_MARGIN));
  // A payload that the scrubber did not know for one, for want of its end.
  if (!/[A-Za-z0-9+/=_-]{4096}$/.test(kept.slice(-4096))) return kept;
  let end = kept.length;
  while (end > 0 && isBase64(kept.charCodeAt(end - 1))) end--;
  return kept.slice(0, end);
}

function isBase64(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    code === 0x2b ||
    code === 0x2d ||
    code === 0x2f ||
    code === 0x3d ||
    code === 0x5f
  );
}

/** The longest prefix of at most `maxBytes` bytes of UTF-8 that ends between code points and outside pseudonyms. */
export function cutBytes(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  const target = Buffer.allocUnsafe(maxBytes);
  const { read } = new TextEncoder().encodeInto(text, target);
  return cutOutsidePseudonym(text, read);
}

function cutOutsidePseudonym(text: string, units: number): string {
  if (text.length <= units) return text;
  const open = text.lastIndexOf('<', units - 1);
  if (open >= 0 && open > units - MAX_PSEUDONYM) {
    const pseudonym = /^<[a-z_.]{1,64}:[^<>]{0,90}>/.exec(text.slice(open, open + MAX_PSEUDONYM));
    if (pseudonym !== null && open + pseudonym[0].length > units) return text.slice(0, open);
  }
  return cutUnits(text, units);
}

function cutUnits(text: string, units: number): string {
  if (text.length <= units) return text;
  const last = text.charCodeAt(units - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? units - 1 : units);
}

/** ClickHouse and terminals take NUL badly; JSON text has none, but what is not JSON may. */
function withoutNul(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
}
