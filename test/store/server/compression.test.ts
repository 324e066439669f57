import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { compressBlocks, decompressBlocks } from '../../../store/server/blocks.ts';
import { cityHash128 } from '../../../store/server/city128.ts';
import { chooseCoding, unpack } from '../../../store/server/coding.ts';
import { lz4Compress, lz4Decompress } from '../../../store/server/lz4.ts';
import { xxHash32 } from '../../../store/server/xxhash32.ts';

/** Byte i is 7i + (i >> 8): size, and the hash as github.com/go-faster/city v1.0.1 (CH128) has it. */
const CITY: [number, string][] = [
  [0, '2b9ac064fc9df03d291ee592c340b53c'],
  [1, '2264de61ab714ba07039e237496868f7'],
  [3, 'e07a891e44244c90a549af712c7dd3ea'],
  [4, '1c70f36be39d8a6df6841ea386650ec9'],
  [7, '3e03a3791ecbc12a880d3e33b91d511a'],
  [8, 'b5c979d1e19b8f4fe6407d93197ce37a'],
  [9, '23562f6e08dd65a23b7d8954ea5a33b1'],
  [15, '8d2dcf3705a810a785ee956f49a733e5'],
  [16, '7b836449ac0fec835248a3ab5f5775d2'],
  [17, '3c942c52e8b1346683c83eaa0f0a4584'],
  [31, 'ad277a5163383190dbb031cc04831032'],
  [32, '42206938c0f663fcd710741202d35011'],
  [33, '9c663edf20930b46a4e25008869d8407'],
  [47, 'b2c309d9f0a5e99a0f2afe446627dd45'],
  [48, 'f6ebc761a922b791a7f85bdb04bb7bcc'],
  [64, '7ef19d25f6b40eac13cdb1bdc97f1d51'],
  [100, '50c580ec698da15064e3d1c5b848c0c8'],
  [127, 'a19f0ca5334b01920716d66e077cfe90'],
  [128, '446ecd5071774277d8936bd1d9afee35'],
  [143, '370611638d98fdbe2b83c52e6c5b4a79'],
  [144, '8ab234a62c4b2e69cd50d2ed4e3da74f'],
  [145, 'ebe1b59510ea00d98b6f0195e9b5d69c'],
  [200, 'e133af95e40663d84328786310f0f9db'],
  [255, 'ff2c0c8905fe368a421576f839caba36'],
  [256, '456fefd0bb69e1ea3fd87c92321540d4'],
  [300, 'bbca1935a498ca04d54f2c5c63d7a0db'],
  [1000, '45155b67c0c0190d5598fbb2c5130d39'],
  [100000, 'aab717e9df354e503d2c2d7428088137'],
];
const pattern = (size: number): Buffer =>
  Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255));

/** Made by Python's lz4.frame 4.4.5 of `'row;' * 40_000`: linked blocks of 64 KiB, block and content checksums. */
const LZ4_FRAME =
  'BCJNGFRArg4BAABPcm93OwQA/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////+RQO3JvdzuFjyy6CgEAAA8EAP/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////oUDtyb3c7g+UECHsAAAAPBAD//////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////1lQO3JvdztRpnvYAAAAAJVy9T0=';
const joined = (blocks: Iterable<Buffer>): Buffer => Buffer.concat([...blocks]);
const codeOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return 'nothing was thrown';
};
/** Bytes with repetitions near and far, and without. */
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 400 }))
        .map(([part, times]) =>
          Uint8Array.from({ length: part.length * times }, (_, i) => part[i % part.length] as number),
        ),
      fc.constant(pattern(70_000)),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts));

test.each(CITY)('CityHash128 of %i bytes', (size, hash) => {
  expect(cityHash128(pattern(size)).toString('hex')).toBe(hash);
});

test('xxHash32 is that of its specification', () => {
  expect(xxHash32(Buffer.alloc(0))).toBe(0x02cc5d05);
  expect(xxHash32(Buffer.from('abc'))).toBe(0x32d153ff);
  expect(xxHash32(Buffer.from('Nobody inspects the spammish repetition'))).toBe(0xe2293b2f);
});

describe('LZ4', () => {
  it('gives back what it took, and repetitions take little', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        const packed = lz4Compress(data);
        expect(lz4Decompress(packed, data.length)?.equals(data)).toBe(true);
      }),
      { numRuns: 200 },
    );
    expect(lz4Compress(Buffer.from('row;'.repeat(10_000))).length).toBeLessThan(300);
  });

  it('takes any bytes for a block or for none, and stays within its size', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 500 }), (data, size) => {
        const out = lz4Decompress(Buffer.from(data), size);
        expect(out === null || out.length === size).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('blocks', () => {
  it('give back what they took', () => {
    const large = Buffer.concat([pattern(1_500_000), Buffer.from('x'.repeat(900_000))]);
    for (const data of [Buffer.alloc(0), pattern(1), pattern(1024 * 1024), large])
      expect(joined(decompressBlocks(joined(compressBlocks(data)), 1e9)).equals(data)).toBe(true);
  });

  it('may be stored or ZSTD', () => {
    const block = (method: number, packed: Buffer, size: number): Buffer => {
      const head = Buffer.alloc(9);
      head[0] = method;
      head.writeUInt32LE(9 + packed.length, 1);
      head.writeUInt32LE(size, 5);
      const body = Buffer.concat([head, packed]);
      return Buffer.concat([cityHash128(body), body]);
    };
    const data = pattern(5_000);
    const both = Buffer.concat([block(0x02, data, 5_000), block(0x90, zstdCompressSync(data), 5_000)]);
    expect(joined(decompressBlocks(both, 10_000)).equals(Buffer.concat([data, data]))).toBe(true);
    // ZSTD_bomb: says 5,000 and holds more.
    const bomb = block(0x90, zstdCompressSync(Buffer.alloc(1_000_000)), 5_000);
    expect(codeOf(() => joined(decompressBlocks(bomb, 10_000)))).toBe(271);
    expect(codeOf(() => joined(decompressBlocks(block(0x95, data, 5_000), 10_000)))).toBe(89);
    expect(codeOf(() => joined(decompressBlocks(both, 9_999)))).toBe(131);
  });

  it('any byte that is changed or cut off is noticed', () => {
    const whole = joined(compressBlocks(Buffer.from('row;'.repeat(100))));
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x40;
      expect([40, 131, 271]).toContain(codeOf(() => joined(decompressBlocks(changed, 10_000))));
      if (at > 0) expect(codeOf(() => joined(decompressBlocks(whole.subarray(0, at), 10_000)))).toBe(271);
    }
  });
});

describe('content codings', () => {
  test.each([
    ['gzip', 'gzip'],
    ['gzip, br', 'br'],
    ['GZIP;q=0.5', 'gzip'],
    ['gzip;q=0, deflate', 'deflate'],
    ['br;q=0.000', null],
    ['identity', null],
    ['', null],
    ['lz4', null],
  ])('Accept-Encoding: %s is %s', (header, coding) => {
    expect(chooseCoding(header)).toBe(coding);
  });

  it('lz4 frames: linked blocks with checksums, and no byte may differ', async () => {
    const frame = Buffer.from(LZ4_FRAME, 'base64');
    const text = 'row;'.repeat(40_000);
    expect((await unpack('lz4', Buffer.concat([frame, frame]), 1e6)).toString()).toBe(text + text);
    await expect(unpack('lz4', frame, text.length - 1)).rejects.toMatchObject({ code: 131, status: 413 });
    for (let at = 0; at < frame.length; at++) {
      const changed = Buffer.from(frame);
      changed[at] = (changed[at] as number) ^ 0x20;
      await expect(unpack('lz4', changed, 1e6), `byte ${at}`).rejects.toMatchObject({ status: 400 });
    }
  });

  it('a bomb ends at the limit, what is not its coding is told, an unknown one too', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(10_000_000));
    await expect(unpack('zstd', bomb, 1_000_000)).rejects.toMatchObject({ code: 131, status: 413 });
    await expect(unpack('gzip', Buffer.from('SELECT 1'), 100)).rejects.toMatchObject({
      code: 271,
      status: 400,
    });
    await expect(unpack('xz', Buffer.from('SELECT 1'), 100)).rejects.toMatchObject({ code: 48 });
    await expect(unpack('constructor', Buffer.from('x'), 100)).rejects.toMatchObject({ code: 48 });
    expect((await unpack('', Buffer.from('x'), 100)).toString()).toBe('x');
  });
});
