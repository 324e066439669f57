import { type KeyInfo, keyInfo } from './key-names.ts';

/** Places for keys whose meaning is remembered, a power of two. None that holds a finding. */
const KEY_PLACES = 4096;
/** Longest key that is remembered. */
export const LONGEST_KEY = 64;

/** Keys of JSON that were seen and hold no finding, with their meaning. Bounded; nothing of values. */
export class KnownKeys {
  readonly #keys = new Array<{ readonly key: string; readonly info: KeyInfo } | undefined>(KEY_PLACES);

  /** The meaning of the key at start … end − 1, if it was seen before and held no finding. Makes no string. */
  known(text: string, units: Uint16Array, start: number, end: number): KeyInfo | undefined {
    const entry = this.#keys[placeOf(units, start, end)];
    return entry !== undefined && entry.key.length === end - start && text.startsWith(entry.key, start)
      ? entry.info
      : undefined;
  }

  /** Its meaning, which is remembered in place of another key's that fell on its place. */
  remember(key: string, units: Uint16Array, start: number, end: number): KeyInfo {
    const info = keyInfo(key);
    // A copy: V8's slices keep alive the text that they are of, values and all.
    const copy = Buffer.from(key, 'utf16le').toString('utf16le');
    this.#keys[placeOf(units, start, end)] = { key: copy, info };
    return info;
  }
}

/** FNV-1a over the code units, as an index. */
function placeOf(units: Uint16Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (units[i] as number), 0x01000193);
  return (hash ^ (hash >>> 16)) & (KEY_PLACES - 1);
}
