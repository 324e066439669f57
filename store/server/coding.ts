import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { ClickHouseException } from './exception.ts';
import { readLz4Frames } from './lz4-frame.ts';

/** HTTP content codings, by name: those that Node has of ClickHouse's. LZ4 is read too, and not written. */
const CODINGS = {
  gzip: { pack: promisify(zlib.gzip), unpack: promisify(zlib.gunzip) },
  deflate: { pack: promisify(zlib.deflate), unpack: promisify(zlib.inflate) },
  br: { pack: promisify(zlib.brotliCompress), unpack: promisify(zlib.brotliDecompress) },
  zstd: { pack: promisify(zlib.zstdCompress), unpack: promisify(zlib.zstdDecompress) },
} as const;
export type Coding = keyof typeof CODINGS;

const isCoding = (name: string): name is Coding => Object.hasOwn(CODINGS, name);

/** The cheapest that is good enough: answers are made while somebody waits. */
const FAST: Readonly<Record<Coding, object>> = {
  gzip: { level: 3 },
  deflate: { level: 3 },
  br: { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } },
  zstd: { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } },
};

/** The first of the server's preference that `Accept-Encoding` allows (q=0 forbids); null for none. */
export function chooseCoding(acceptEncoding: string): Coding | null {
  const accepted = new Set<string>();
  for (const part of acceptEncoding.slice(0, 512).toLowerCase().split(',')) {
    const [name = '', ...options] = part.split(';').map((piece) => piece.trim());
    if (!options.some((option) => /^q=0(?:\.0{1,3})?$/.test(option))) accepted.add(name);
  }
  return (['zstd', 'br', 'gzip', 'deflate'] as const).find((name) => accepted.has(name)) ?? null;
}

export const pack = (coding: Coding, data: Buffer): Promise<Buffer> =>
  (CODINGS[coding].pack as (data: Buffer, options: object) => Promise<Buffer>)(data, FAST[coding]);

/** @throws ClickHouseException NOT_IMPLEMENTED, TOO_LARGE_SIZE, CANNOT_DECOMPRESS */
export async function unpack(name: string, data: Buffer, maxBytes: number): Promise<Buffer> {
  if (name === '' || name === 'identity') return data;
  if (name === 'lz4') return readLz4Frames(data, maxBytes);
  if (!isCoding(name))
    throw new ClickHouseException('NOT_IMPLEMENTED', `Unknown Content-Encoding ${name.slice(0, 32)}`, 415);
  const { unpack } = CODINGS[name];
  try {
    return await (unpack as (data: Buffer, options: object) => Promise<Buffer>)(data, {
      maxOutputLength: maxBytes,
    });
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE')
      throw new ClickHouseException('TOO_LARGE_SIZE', `The body is over ${maxBytes} bytes decompressed`, 413);
    throw new ClickHouseException('CANNOT_DECOMPRESS', `The body is not ${name}`, 400);
  }
}
