/** LZ4's block format (lz4_Block_format.md): what ClickHouse's compressed blocks hold. No frames. */

const MIN_MATCH = 4;
/** The last match starts at least 12 bytes before the end, and the last 5 bytes are literals: rules of the format. */
const LAST_MATCH = 12;
const LAST_LITERALS = 5;
const MAX_DISTANCE = 65_535;
const HASH_BITS = 14;

/** Greedy, one candidate a hash: what LZ4's fast mode does. */
export function lz4Compress(input: Buffer): Buffer {
  const out = Buffer.allocUnsafe(input.length + Math.ceil(input.length / 255) + 16);
  const seen = new Int32Array(1 << HASH_BITS).fill(-1);
  const limit = input.length - LAST_MATCH;
  let to = 0;
  let literalsFrom = 0;
  const length = (value: number): void => {
    let left = value - 15;
    for (; left >= 255; left -= 255) out[to++] = 255;
    out[to++] = left;
  };
  const literals = (end: number, matchCode: number): void => {
    const count = end - literalsFrom;
    out[to++] = (Math.min(count, 15) << 4) | Math.min(matchCode, 15);
    if (count >= 15) length(count);
    to += input.copy(out, to, literalsFrom, end);
  };
  for (let at = 0, misses = 0; at <= limit; ) {
    const word = input.readUInt32LE(at);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = seen[slot] as number;
    seen[slot] = at;
    if (candidate < 0 || at - candidate > MAX_DISTANCE || input.readUInt32LE(candidate) !== word) {
      at += 1 + (misses++ >> 6);
      continue;
    }
    misses = 0;
    let end = at + MIN_MATCH;
    const stop = input.length - LAST_LITERALS;
    for (let from = candidate + MIN_MATCH; end < stop && input[end] === input[from]; end++) from++;
    const matchCode = end - at - MIN_MATCH;
    literals(at, matchCode);
    out.writeUInt16LE(at - candidate, to);
    to += 2;
    if (matchCode >= 15) length(matchCode);
    at = end;
    literalsFrom = end;
  }
  literals(input.length, 0);
  return out.subarray(0, to);
}

/**
 * @param size exact length of what comes out, bytes
 * @returns null where the input is not a block of that size
 */
export function lz4Decompress(input: Buffer, size: number): Buffer | null {
  const out = Buffer.allocUnsafe(size);
  return lz4DecompressInto(input, out, 0) === size ? out : null;
}

/**
 * Writes what a block holds to `out` from `from` on; matches may reach into what stands before.
 * @returns where it ends, or null where the input is no block or does not fit
 */
export function lz4DecompressInto(input: Buffer, out: Buffer, from: number): number | null {
  const size = out.length;
  let at = 0;
  let to = from;
  const length = (nibble: number): number => {
    let value = nibble;
    if (nibble === 15) {
      let more: number;
      do {
        more = input[at++] ?? 0;
        value += more;
      } while (more === 255);
    }
    return value;
  };
  while (at < input.length) {
    const token = input[at++] as number;
    const count = length(token >> 4);
    if (at + count > input.length || to + count > size) return null;
    to += input.copy(out, to, at, at + count);
    at += count;
    if (at >= input.length) return to;
    if (at + 2 > input.length) return null;
    const distance = input.readUInt16LE(at);
    at += 2;
    const matched = length(token & 15) + MIN_MATCH;
    if (distance === 0 || distance > to || to + matched > size) return null;
    if (distance >= matched) to += out.copy(out, to, to - distance, to - distance + matched);
    else for (const end = to + matched; to < end; to++) out[to] = out[to - distance] as number;
  }
  // A block ends with literals; only one without any byte does not.
  return input.length === 0 ? to : null;
}
