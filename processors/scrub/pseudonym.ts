import { type HashKey, hmacBase64Url } from '../../core/keyed-hash.ts';

/** Bytes of the HMAC that are kept: 80 bits, so that two of a billion values meet with a chance of 1 in 2 million. */
const KEPT_BYTES = 10;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** A pseudonym or a media note, as they stand in scrubbed text. Sticky: set `lastIndex`. */
export const PLACEHOLDER =
  /<(?:[a-z_]{2,32}:[a-z2-7]{16}|media:[\w.+-]{1,64}\/[\w.+-]{1,64} \d{1,12} bytes)>/y;

/** The same, anywhere. */
export const PLACEHOLDERS = new RegExp(PLACEHOLDER.source, 'g');

/** The end of the placeholder that starts at `at`, or -1. */
export function placeholderEnd(text: string, at: number): number {
  PLACEHOLDER.lastIndex = at;
  return PLACEHOLDER.test(text) ? PLACEHOLDER.lastIndex : -1;
}

/**
 * Gives each value its pseudonym, `<email:3fk9…>`: HMAC-SHA256 over type and normalised value, truncated, base32.
 * Equal values of a type have equal pseudonyms under one key, so calls can be joined by a value that nobody can read.
 * Holds what it has hashed: make one for each text or batch, and drop it.
 */
export function pseudonyms(key: HashKey): (type: string, normalised: string) => string {
  const known = new Map<string, string>();
  return (type, normalised) => {
    const message = `${type}\u0000${normalised}`;
    let pseudonym = known.get(message);
    if (pseudonym === undefined) {
      const digest = Buffer.from(hmacBase64Url(key, message), 'base64url');
      pseudonym = `<${type}:${base32(digest.subarray(0, KEPT_BYTES))}>`;
      known.set(message, pseudonym);
    }
    return pseudonym;
  };
}

/** RFC 4648 base32 in lower case, for a whole number of 5-byte groups: no padding. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(held >> bits) & 31];
    }
  }
  return text;
}

/** What stands in place of a payload of an image, sound or blob: its media type and the size of its base64 text. */
export function mediaNote(mediaType: string, sizeBytes: number): string {
  const safe = /^[\w.+-]{1,64}\/[\w.+-]{1,64}$/.test(mediaType) ? mediaType : 'application/octet-stream';
  return `<media:${safe} ${sizeBytes} bytes>`;
}
