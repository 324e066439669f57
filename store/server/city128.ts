/**
 * CityHash128 in the version (1.0.2, 2011) that ClickHouse froze for the checksums of its compressed blocks; later
 * versions of CityHash differ. Arithmetic is modulo 2^64.
 */
const K0 = 0xc3a5c85c97cb3127n;
const K1 = 0xb492b66fbe98f273n;
const K2 = 0x9ae16a3b2f90404fn;
const K3 = 0xc949d7c7509e6557n;
const MUL = 0x9ddfea08eb382d69n;
const MASK = 0xffffffffffffffffn;

const wrap = (value: bigint): bigint => value & MASK;
const rotate = (value: bigint, by: bigint): bigint =>
  by === 0n ? value : (value >> by) | ((value << (64n - by)) & MASK);
const shiftMix = (value: bigint): bigint => value ^ (value >> 47n);

/** Murmur-like mix of two words into one. */
function mix(low: bigint, high: bigint): bigint {
  const a = shiftMix(wrap((low ^ high) * MUL));
  const b = shiftMix(wrap((high ^ a) * MUL));
  return wrap(b * MUL);
}

function hashUpTo16(data: Buffer): bigint {
  const size = data.length;
  if (size > 8) {
    const a = data.readBigUInt64LE(0);
    const b = data.readBigUInt64LE(size - 8);
    const length = BigInt(size);
    return mix(a, rotate(wrap(b + length), length)) ^ b;
  }
  if (size >= 4)
    return mix(BigInt(size) + (BigInt(data.readUInt32LE(0)) << 3n), BigInt(data.readUInt32LE(size - 4)));
  if (size === 0) return K2;
  const y = BigInt((data[0] as number) + (data[size >> 1] as number) * 256);
  const z = BigInt(size + (data[size - 1] as number) * 4);
  return wrap(shiftMix(wrap(y * K2) ^ wrap(z * K3)) * K2);
}

function hashShort(data: Buffer, low: bigint, high: bigint): [bigint, bigint] {
  const size = data.length;
  let a = low;
  let b = high;
  let c: bigint;
  let d: bigint;
  if (size <= 16) {
    a = wrap(shiftMix(wrap(a * K1)) * K1);
    c = wrap(b * K1 + hashUpTo16(data));
    d = shiftMix(wrap(a + (size >= 8 ? data.readBigUInt64LE(0) : c)));
  } else {
    c = mix(wrap(data.readBigUInt64LE(size - 8) + K1), a);
    d = mix(wrap(b + BigInt(size)), wrap(c + data.readBigUInt64LE(size - 16)));
    a = wrap(a + d);
    for (let at = 0, left = size - 16; ; ) {
      a = wrap((a ^ wrap(shiftMix(wrap(data.readBigUInt64LE(at) * K1)) * K1)) * K1);
      b ^= a;
      c = wrap((c ^ wrap(shiftMix(wrap(data.readBigUInt64LE(at + 8) * K1)) * K1)) * K1);
      d ^= c;
      at += 16;
      left -= 16;
      if (left <= 0) break;
    }
  }
  a = mix(a, c);
  b = mix(d, b);
  return [a ^ b, mix(b, a)];
}

/** 32 bytes at `at` and two seeds, into two words. */
function weak(data: Buffer, at: number, seedA: bigint, seedB: bigint): [bigint, bigint] {
  const w = data.readBigUInt64LE(at);
  const x = data.readBigUInt64LE(at + 8);
  const y = data.readBigUInt64LE(at + 16);
  const z = data.readBigUInt64LE(at + 24);
  const a = wrap(seedA + w);
  const b = rotate(wrap(seedB + a + z), 21n);
  const sum = wrap(a + x + y);
  return [wrap(sum + z), wrap(b + rotate(sum, 44n) + a)];
}

function hashSeeded(data: Buffer, low: bigint, high: bigint): [bigint, bigint] {
  const size = data.length;
  if (size < 128) return hashShort(data, low, high);
  let x = low;
  let y = high;
  let z = wrap(BigInt(size) * K1);
  let v0 = wrap(rotate(y ^ K1, 49n) * K1 + data.readBigUInt64LE(0));
  let v1 = wrap(rotate(v0, 42n) * K1 + data.readBigUInt64LE(8));
  let w0 = wrap(rotate(wrap(y + z), 35n) * K1 + x);
  let w1 = wrap(rotate(wrap(x + data.readBigUInt64LE(88)), 53n) * K1);
  let at = 0;
  for (; size - at >= 128; ) {
    for (let half = 0; half < 2; half++, at += 64) {
      x = wrap(rotate(wrap(x + y + v0 + data.readBigUInt64LE(at + 16)), 37n) * K1);
      y = wrap(rotate(wrap(y + v1 + data.readBigUInt64LE(at + 48)), 42n) * K1);
      x ^= w1;
      y ^= v0;
      z = rotate(z ^ w0, 33n);
      [v0, v1] = weak(data, at, wrap(v1 * K1), wrap(x + w0));
      [w0, w1] = weak(data, at + 32, wrap(z + w1), y);
      [z, x] = [x, z];
    }
  }
  y = wrap(y + rotate(w0, 37n) * K0 + z);
  x = wrap(x + rotate(wrap(v0 + z), 49n) * K0);
  for (let done = 0; done < size - at; ) {
    done += 32;
    const from = size - done;
    y = wrap(rotate(wrap(y - x), 42n) * K0 + v1);
    w0 = wrap(w0 + data.readBigUInt64LE(from + 16));
    x = wrap(rotate(x, 49n) * K0 + w0);
    w0 = wrap(w0 + v0);
    [v0, v1] = weak(data, from, v0, v1);
  }
  x = mix(x, v0);
  y = mix(y, w0);
  return [wrap(mix(wrap(x + v1), w1) + y), mix(wrap(x + w1), wrap(y + v1))];
}

/** The 16 bytes that ClickHouse writes: low word first, each little-endian. */
export function cityHash128(data: Buffer): Buffer {
  const size = data.length;
  const [low, high] =
    size >= 16
      ? hashSeeded(data.subarray(16), data.readBigUInt64LE(0) ^ K3, data.readBigUInt64LE(8))
      : size >= 8
        ? hashSeeded(
            data.subarray(size),
            data.readBigUInt64LE(0) ^ wrap(BigInt(size) * K0),
            data.readBigUInt64LE(size - 8) ^ K1,
          )
        : hashSeeded(data, K0, K1);
  const out = Buffer.allocUnsafe(16);
  out.writeBigUInt64LE(low, 0);
  out.writeBigUInt64LE(high, 8);
  return out;
}
