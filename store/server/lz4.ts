/** LZ4's block format (lz4_Block_format.md): what ClickHouse's compressed blocks hold. No frames. */

const MIN_MATCH = 4;
/** The last match starts at least 12 bytes before the end, and the last 5 bytes are literals: rules of the format. */
const LAST_MATCH = 12;
const LAST_LITERALS = 5;
const MAX_DISTANCE = 65_535;
const HASH_BITS = 14;
/** Fewer bytes than these are copied faster one by one than by a call. */
const SHORT = 48;

/** Bytes of `from`, from `start` on, to `to`; the same buffer may be both, where they do not overlap. */
function copy(from: Buffer, start: number, end: number, out: Buffer, to: number): void {
  if (end - start > SHORT) from.copy(out, to, start, end);
  else for (let at = start, put = to; at < end; at++, put++) out[put] = from[at] as number;
}

const word = (data: Buffer, at: number): number =>
  (data[at] as number) |
  ((data[at + 1] as number) << 8) |
  ((data[at + 2] as number) << 16) |
  ((data[at + 3] as number) << 24);

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
    copy(input, literalsFrom, end, out, to);
    to += count;
  };
  for (let at = 0, misses = 0; at <= limit; ) {
    const here = word(input, at);
    const slot = Math.imul(here, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = seen[slot] as number;
    seen[slot] = at;
    if (candidate < 0 || at - candidate > MAX_DISTANCE || word(input, candidate) !== here) {
      at += 1 + (misses++ >> 6);
      continue;
    }
    misses = 0;
    let end = at + MIN_MATCH;
    const stop = input.length - LAST_LITERALS;
    for (let from = candidate + MIN_MATCH; end < stop && input[end] === input[from]; end++) from++;
    const matchCode = end - at - MIN_MATCH;
    literals(at, matchCode);
    out[to++] = (at - candidate) & 255;
    out[to++] = (at - candidate) >> 8;
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
  while (at < input.length) {
    const token = input[at++] as number;
    let count = token >> 4;
    // Written out twice: a closure over `at` makes this loop three times slower.
    if (count === 15) {
      let more: number;
      do {
        more = input[at++] ?? 0;
        count += more;
      } while (more === 255);
    }
    if (at + count > input.length || to + count > size) return null;
    copy(input, at, at + count, out, to);
    to += count;
    at += count;
    if (at >= input.length) return to;
    if (at + 2 > input.length) return null;
    const distance = (input[at++] as number) | ((input[at++] as number) << 8);
    let matched = (token & 15) + MIN_MATCH;
    if (matched === 15 + MIN_MATCH) {
      let more: number;
      do {
        more = input[at++] ?? 0;
        matched += more;
      } while (more === 255);
    }
    if (distance === 0 || distance > to || to + matched > size) return null;
    if (distance >= matched && matched > SHORT) {
      out.copyWithin(to, to - distance, to - distance + matched);
      to += matched;
    } else for (const end = to + matched; to < end; to++) out[to] = out[to - distance] as number;
  }
  // A block ends with literals; only one without any byte does not.
  return input.length === 0 ? to : null;
}
