import { ClickHouseException } from './exception.ts';
import { lz4DecompressInto } from './lz4.ts';
import { xxHash32 } from './xxhash32.ts';

/** LZ4's frame format (lz4_Frame_format.md), as `Content-Encoding: lz4` has it. */
const MAGIC = 0x184d2204;
const SKIPPABLE = 0x184d2a50;
/** How far back a match reaches, bytes. */
const WINDOW = 65_536;
const BLOCK_BYTES: Readonly<Record<number, number>> = {
  4: 64 * 1024,
  5: 256 * 1024,
  6: 1024 * 1024,
  7: 4 * 1024 * 1024,
};

/**
 * What a row of frames holds.
 * @throws ClickHouseException CANNOT_DECOMPRESS, CHECKSUM_DOESNT_MATCH, TOO_LARGE_SIZE
 */
export function readLz4Frames(data: Buffer, maxBytes: number): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  const take = (part: Buffer): void => {
    total += part.length;
    if (total > maxBytes)
      throw new ClickHouseException('TOO_LARGE_SIZE', `The body is over ${maxBytes} bytes decompressed`, 413);
    parts.push(part);
  };
  try {
    for (let at = 0; at < data.length; ) {
      const magic = data.readUInt32LE(at);
      if ((magic ^ SKIPPABLE) >>> 4 === 0) at += 8 + data.readUInt32LE(at + 4);
      else if (magic === MAGIC) at = readFrame(data, at + 4, take);
      else throw broken('no frame begins here');
    }
  } catch (error) {
    // A read past the end.
    if (error instanceof RangeError) throw broken('it is cut off');
    throw error;
  }
  return Buffer.concat(parts, total);
}

/** @returns where the frame ends */
function readFrame(data: Buffer, start: number, take: (part: Buffer) => void): number {
  const flags = data.readUInt8(start);
  const blockBytes = BLOCK_BYTES[(data.readUInt8(start + 1) >> 4) & 7];
  if (flags >> 6 !== 1 || blockBytes === undefined) throw broken('an unknown version');
  const isSet = (bit: number): boolean => (flags & (1 << bit)) !== 0;
  const [independent, blockChecksum, hasSize, contentChecksum, hasDictionary] = [5, 4, 3, 2, 0].map(isSet);
  if (hasDictionary) throw broken('it needs a dictionary');
  let at = start + 2 + (hasSize ? 8 : 0);
  if (((xxHash32(data.subarray(start, at)) >>> 8) & 0xff) !== data.readUInt8(at++)) throw mismatch();
  const content: Buffer[] = [];
  let window = Buffer.alloc(0);
  for (;;) {
    const word = data.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const size = word & 0x7fffffff;
    const isRaw = word >>> 31 === 1;
    if (size > blockBytes || at + size > data.length) throw broken('a block is cut off');
    const packed = data.subarray(at, at + size);
    at += size;
    if (blockChecksum) {
      if (xxHash32(packed) !== data.readUInt32LE(at)) throw mismatch();
      at += 4;
    }
    const out = Buffer.allocUnsafe(window.length + (isRaw ? size : blockBytes));
    window.copy(out);
    const end = isRaw
      ? window.length + packed.copy(out, window.length)
      : lz4DecompressInto(packed, out, window.length);
    if (end === null) throw broken('a block is not LZ4');
    const part = Buffer.from(out.subarray(window.length, end));
    take(part);
    if (contentChecksum) content.push(part);
    if (!independent) window = Buffer.from(out.subarray(Math.max(0, end - WINDOW), end));
  }
  if (contentChecksum) {
    if (xxHash32(Buffer.concat(content)) !== data.readUInt32LE(at)) throw mismatch();
    at += 4;
  }
  return at;
}

const broken = (what: string): ClickHouseException =>
  new ClickHouseException('CANNOT_DECOMPRESS', `The body is not lz4: ${what}`, 400);
const mismatch = (): ClickHouseException =>
  new ClickHouseException('CHECKSUM_DOESNT_MATCH', "Checksum doesn't match: corrupted data.", 400);
