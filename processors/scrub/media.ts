import { mediaNote } from './pseudonym.ts';
import type { Hit, Segment } from './segment.ts';

const DATA_URL = /:(?:([\w.+-]{1,64}\/[\w.+-]{1,64})(?:;[\w.+-]{1,64}=[^;,\s"']{0,64}){0,4})?;base64,/y;
const BASE64 = /[A-Za-z0-9+/_%-]+={0,2}/y;

/** The payload of the `data:` URL whose colon is at `at`. */
export function dataUrlAt(segment: Segment, at: number): Hit | undefined {
  DATA_URL.lastIndex = at;
  const head = DATA_URL.exec(segment.text);
  if (head === null) return undefined;
  const start = DATA_URL.lastIndex;
  BASE64.lastIndex = start;
  const payload = BASE64.exec(segment.text);
  return payload === null ? undefined : mediaHit(start, start + payload[0].length, head[1] ?? 'text/plain');
}

/** A hit that puts a note in place of a payload. */
export function mediaHit(start: number, end: number, mediaType: string): Hit {
  return { start, end, type: 'media', detector: 'media', value: '', note: mediaNote(mediaType, end - start) };
}

/** Whether text is base64 and nothing else; base64url and wrapped lines count. */
export function isBase64(text: string): boolean {
  return text.length > 0 && /^[A-Za-z0-9+/_=\r\n-]+$/.test(text);
}
