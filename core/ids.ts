import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafe(4096);
let used = pool.length;

/** Random bytes from a refilled pool: one system call for 256 ids. The slice is only valid until the next call. */
function random16(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 16;
  return pool.subarray(used - 16, used);
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

function hex(bytes: Uint8Array, from: number, to: number): string {
  let out = '';
  for (let i = from; i < to; i++) out += HEX[bytes[i] as number];
  return out;
}

let lastMs = 0;
let counter = 0;

/**
 * UUID version 7 (RFC 9562 §5.7, with the 12-bit counter of §6.2 method 1): ids of one process sort by the
 * order in which they were made, also within a millisecond and when the clock steps back.
 */
export function uuidv7(nowMs = Date.now()): string {
  const bytes = random16();
  let ms = Math.floor(nowMs);
  if (ms > lastMs) {
    lastMs = ms;
    counter = ((bytes[6] as number) & 0x07) * 256 + (bytes[7] as number);
  } else {
    ms = lastMs;
    counter++;
    if (counter > 0xfff) {
      counter = 0;
      ms = ++lastMs;
    }
  }
  const time = ms.toString(16).padStart(12, '0');
  const variant = HEX[((bytes[8] as number) & 0x3f) | 0x80] as string;
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${variant}${HEX[bytes[9] as number]}-${hex(bytes, 10, 16)}`;
}

/** The Unix time in milliseconds that a UUIDv7 carries. */
export function uuidv7TimeMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** A W3C trace context (https://www.w3.org/TR/trace-context/) id: 16 bytes (trace) as hex. */
export function newTraceId(): string {
  return hex(random16(), 0, 16);
}

/** A W3C trace context span id: 8 bytes as hex. */
export function newSpanId(): string {
  return hex(random16(), 0, 8);
}
