import { zstdDecompressSync } from 'node:zlib';
import { cityHash128 } from './city128.ts';
import { ClickHouseException } from './exception.ts';
import { lz4Compress, lz4Decompress } from './lz4.ts';

/**
 * ClickHouse's compressed blocks, as `compress=1` and `decompress=1` have them: a checksum (CityHash128 of the rest),
 * then method, compressed size with this header, and raw size, then the bytes. (src/Compression)
 */
const CHECKSUM = 16;
const HEADER = 9;
const METHOD = { none: 0x02, lz4: 0x82, zstd: 0x90 } as const;
/** Raw bytes of a block that is written: `max_compress_block_size`'s default. */
const BLOCK_BYTES = 1024 * 1024;
/** Largest raw size of one block that is read; writers use 1 MiB. */
const MAX_BLOCK_BYTES = 128 * 1024 * 1024;

export function* compressBlocks(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const raw = data.subarray(at, at + BLOCK_BYTES);
    const packed = lz4Compress(raw);
    const block = Buffer.allocUnsafe(CHECKSUM + HEADER + packed.length);
    block[CHECKSUM] = METHOD.lz4;
    block.writeUInt32LE(HEADER + packed.length, CHECKSUM + 1);
    block.writeUInt32LE(raw.length, CHECKSUM + 5);
    packed.copy(block, CHECKSUM + HEADER);
    cityHash128(block.subarray(CHECKSUM)).copy(block, 0);
    yield block;
  }
}

/**
 * @param maxBytes bound of all that comes out
 * @throws ClickHouseException CANNOT_DECOMPRESS, CHECKSUM_DOESNT_MATCH, UNKNOWN_COMPRESSION_METHOD, TOO_LARGE_SIZE
 */
export function* decompressBlocks(data: Buffer, maxBytes: number): Generator<Buffer> {
  let total = 0;
  for (let at = 0; at < data.length; ) {
    if (at + CHECKSUM + HEADER > data.length) throw broken('a header is cut off');
    const method = data[at + CHECKSUM] as number;
    const packedSize = data.readUInt32LE(at + CHECKSUM + 1);
    const rawSize = data.readUInt32LE(at + CHECKSUM + 5);
    const end = at + CHECKSUM + packedSize;
    if (packedSize < HEADER || end > data.length) throw broken('a block is cut off');
    total += rawSize;
    if (rawSize > MAX_BLOCK_BYTES || total > maxBytes)
      throw new ClickHouseException('TOO_LARGE_SIZE', `The body is over ${maxBytes} bytes decompressed`, 413);
    const body = data.subarray(at + CHECKSUM, end);
    if (!cityHash128(body).equals(data.subarray(at, at + CHECKSUM)))
      throw new ClickHouseException('CHECKSUM_DOESNT_MATCH', "Checksum doesn't match: corrupted data.", 400);
    yield unpack(method, body.subarray(HEADER), rawSize);
    at = end;
  }
}

function unpack(method: number, packed: Buffer, rawSize: number): Buffer {
  if (method === METHOD.none) {
    if (packed.length !== rawSize) throw broken('sizes differ');
    return packed;
  }
  if (method === METHOD.lz4) {
    const raw = lz4Decompress(packed, rawSize);
    if (raw === null) throw broken('not LZ4');
    return raw;
  }
  if (method === METHOD.zstd) {
    let raw: Buffer;
    try {
      raw = zstdDecompressSync(packed, { maxOutputLength: Math.max(1, rawSize) });
    } catch {
      throw broken('not ZSTD');
    }
    if (raw.length !== rawSize) throw broken('sizes differ');
    return raw;
  }
  throw new ClickHouseException(
    'UNKNOWN_COMPRESSION_METHOD',
    `Unknown compression method: 0x${method.toString(16)}`,
    400,
  );
}

const broken = (what: string): ClickHouseException =>
  new ClickHouseException('CANNOT_DECOMPRESS', `Cannot decompress: ${what}`, 400);
