import { promisify } from 'node:util';
import * as zlib from 'node:zlib';

export type Compression = 'none' | 'gzip' | 'zstd';

/** kafkajs' encoder of a batch, as its codecs get it. */
interface Encoded {
  readonly buffer: Buffer;
}

/** Level 1 is twice as fast as the default 3 and takes a few per cent more room on JSON. */
const ZSTD_OPTIONS = { params: { 100 /* ZSTD_c_compressionLevel */: 1 } };

/**
 * Teaches kafkajs zstd (it only knows gzip) where this Node has it (from 22.15 on), and returns kafkajs' number of the
 * codec to write with: the wanted one, or gzip where zstd is wanted and can't be had. Reading zstd works either way
 * only where Node has it.
 */
export function registerCompression(module: typeof import('kafkajs'), wanted: Compression): number {
  const { CompressionTypes, CompressionCodecs } = module;
  // Absent on Node 20, whatever the types say.
  const hasZstd = typeof (zlib as { zstdCompress?: unknown }).zstdCompress === 'function';
  if (hasZstd) {
    const compress = promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdCompress);
    const decompress = promisify<zlib.InputType, Buffer>(zlib.zstdDecompress);
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({
      compress: ({ buffer }: Encoded) => compress(buffer, ZSTD_OPTIONS),
      decompress: (buffer: Buffer) => decompress(buffer),
    });
  }
  if (wanted === 'none') return CompressionTypes.None;
  return wanted === 'zstd' && hasZstd ? CompressionTypes.ZSTD : CompressionTypes.GZIP;
}
