import { endianness } from 'node:os';

/** Texts up to here share one array; a longer one gets an array that is dropped after it. Code units. */
const SHARED = 64 * 1024;
/** A shorter text is copied faster one by one. */
const SHORT = 64;
const LITTLE = endianness() === 'LE';

const sharedBytes = Buffer.alloc(2 * SHARED);
const shared = new Uint16Array(sharedBytes.buffer, sharedBytes.byteOffset, SHARED);

/**
 * The code units of a text's stretch. `charCodeAt` costs V8 3 ns and more a character once it has seen strings of
 * several kinds, a copy and its reading 1 ns. Valid until the next call.
 */
export function codeUnits(text: string, from: number, to: number): Uint16Array {
  const length = to - from;
  if (length >= SHORT && LITTLE) {
    if (length <= SHARED) {
      sharedBytes.write(length === text.length ? text : text.slice(from, to), 0, 'utf16le');
      return shared;
    }
    const bytes = Buffer.from(new ArrayBuffer(2 * length));
    bytes.write(text.slice(from, to), 0, 'utf16le');
    return new Uint16Array(bytes.buffer, bytes.byteOffset, length);
  }
  const units = length <= SHARED ? shared : new Uint16Array(length);
  for (let i = 0; i < length; i++) units[i] = text.charCodeAt(from + i);
  return units;
}
