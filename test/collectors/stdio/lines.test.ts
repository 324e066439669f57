import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Envelope, EnvelopeScanner } from '../../../collectors/stdio/envelope.ts';
import { LineSplitter } from '../../../collectors/stdio/lines.ts';

type Found = { line: string } | { tooLarge: Envelope[]; bytes: number };

/** What a splitter finds in the bytes, cut at the given places. */
function split(bytes: Uint8Array, cuts: readonly number[], maxBytes = 1_000_000): Found[] {
  const found: Found[] = [];
  const splitter = new LineSplitter(
    {
      line: (line) => found.push({ line: Buffer.from(line).toString('utf8') }),
      tooLarge: (messages, size) => found.push({ tooLarge: [...messages], bytes: size }),
    },
    maxBytes,
  );
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < places.length; i++) {
    splitter.push(bytes.subarray(places[i - 1], places[i]));
  }
  splitter.end();
  return found;
}

const lines = (text: string, cuts: number[] = [], maxBytes?: number) =>
  split(Buffer.from(text), cuts, maxBytes).map((item) => ('line' in item ? item.line : item));

const cutsOf = fc.array(fc.nat(5000), { maxLength: 40 });
const ending = fc.constantFrom('\n', '\r\n', '\r');
const message = fc
  .record({ jsonrpc: fc.constant('2.0'), id: fc.oneof(fc.integer(), fc.string()), params: fc.jsonValue() })
  .chain((value) =>
    fc.constantFrom(
      JSON.stringify(value),
      JSON.stringify(value, null, '\r').replaceAll('\n', ''),
      JSON.stringify([value]),
    ),
  );
/** Text that is no JSON: no line endings, no brace or bracket first. */
const banner = fc
  .string({ unit: 'grapheme', minLength: 1 })
  .map((text) => `# ${text.replaceAll(/[\r\n]/g, ' ')}`);

describe('lines', () => {
  test('end with LF, CR LF, a lone CR, or with the stream; empty ones are nothing', () => {
    expect(lines('{"id":1}\n{"id":2}\r\n{"id":3}\r{"id":4}\r\r\n\n\n{"id":5}')).toEqual([
      '{"id":1}',
      '{"id":2}',
      '{"id":3}',
      '{"id":4}',
      '{"id":5}',
    ]);
  });

  test('a CR inside of a JSON text ends nothing, not in a string and not between tokens', () => {
    expect(lines('{\r"id":1,\r"params":{"a":"}\r"}}\n[{"id":2},\r{"id":3}]\r{"id":4}\n')).toEqual([
      '{\r"id":1,\r"params":{"a":"}\r"}}',
      '[{"id":2},\r{"id":3}]',
      '{"id":4}',
    ]);
  });

  test('text that is no JSON ends at any CR', () => {
    expect(lines('10 %\r20 %\r{"id":1}\nready\r\n')).toEqual(['10 %', '20 %', '{"id":1}', 'ready']);
  });

  test('a broken JSON text ends at the LF', () => {
    expect(lines('{"id":1\r\n{"id":2}\r\n')).toEqual(['{"id":1', '{"id":2}']);
  });

  test('a message is told as soon as its line has ended, before the next byte', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      let seen = 0;
      const splitter = new LineSplitter({ line: () => seen++, tooLarge: () => {} }, 1000);
      splitter.push(Buffer.from(`{"id":1}${end}`));
      expect(seen, JSON.stringify(end)).toBe(1);
    }
  });

  test('messages come out whole, whatever the chunks, the endings and the text around them', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(message, banner), ending)), cutsOf, (items, cuts) => {
        const text = items.map(([line, end]) => line + end).join('');
        expect(lines(text, cuts)).toEqual(items.map(([line]) => line));
      }),
      { numRuns: 500 },
    );
  });

  test('of any bytes, the lines do not depend on the chunks', () => {
    const alphabet = fc.constantFrom(...Buffer.from('{}[]":,\\\r\n a1é€'));
    fc.assert(
      fc.property(
        fc.array(alphabet, { maxLength: 200 }),
        cutsOf,
        fc.integer({ min: 1, max: 60 }),
        (raw, cuts, max) => {
          const bytes = Uint8Array.from(raw);
          const whole = split(bytes, [], max);
          expect(split(bytes, cuts, max)).toEqual(whole);
          expect(split(bytes, [...bytes.keys()], max)).toEqual(whole);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('nothing but endings is left out', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), cutsOf, (bytes, cuts) => {
        const kept: number[] = [];
        const splitter = new LineSplitter(
          { line: (line) => kept.push(...line), tooLarge: () => expect.unreachable() },
          1_000_000,
        );
        let from = 0;
        for (const cut of cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b)) {
          splitter.push(bytes.subarray(from, cut));
          from = cut;
        }
        splitter.push(bytes.subarray(from));
        splitter.end();
        const content = (all: Iterable<number>) => [...all].filter((byte) => byte !== 10 && byte !== 13);
        expect(content(kept)).toEqual(content(bytes));
      }),
    );
  });
});

describe('a line over the limit', () => {
  const scalars = (found: unknown) =>
    Object.fromEntries((found as { tooLarge: Envelope[] }).tooLarge[0]!.scalars);

  test('is told with its size and what its envelope says, and the next line is whole again', () => {
    const big = JSON.stringify({
      result: { content: [{ text: 'x'.repeat(5000), id: 9, isError: false }], isError: true },
      jsonrpc: '2.0',
      id: '7"\\é',
    });
    const found = lines(`${big}\n{"id":8}\n`, [], 100);
    expect(found[0]).toMatchObject({ bytes: Buffer.byteLength(big) });
    expect(scalars(found[0])).toEqual({
      'result.isError': 'true',
      jsonrpc: '"2.0"',
      id: JSON.stringify('7"\\é'),
    });
    expect(found[1]).toBe('{"id":8}');
  });

  test('one byte more than the limit is too large, the limit is not', () => {
    const text = JSON.stringify({ id: 1, params: 'x'.repeat(50) });
    const size = Buffer.byteLength(text);
    expect(lines(`${text}\n`, [], size)).toEqual([text]);
    expect(lines(`${text}\r\n`, [], size)).toEqual([text]);
    expect(lines(`${text}\n`, [], size - 1)).toMatchObject([{ bytes: size }]);
  });

  test('its text costs less to pass over than to parse', () => {
    const text = 'some text without '.repeat(1e6);
    const big = Buffer.from(JSON.stringify({ id: 1, params: { arguments: { text } } }));
    const timed = (work: () => unknown): number => {
      const startMs = performance.now();
      work();
      return performance.now() - startMs;
    };
    const parseMs = Math.min(...[1, 2, 3].map(() => timed(() => JSON.parse(big.toString('utf8')))));
    const scanMs = Math.min(
      ...[1, 2, 3].map(() =>
        timed(() => {
          const scanner = new EnvelopeScanner();
          for (let at = 0; at < big.length; at += 65_536) scanner.push(big.subarray(at, at + 65_536));
          expect(scanner.messages).toHaveLength(1);
        }),
      ),
    );
    expect(scanMs).toBeLessThan(parseMs);
  });

  test('of a batch, each message is told', () => {
    const batch = [
      { id: 1, method: 'tools/call', params: { name: 'a', arguments: { name: 'x'.repeat(200) } } },
      { id: 2, method: 'ping' },
    ];
    const [found] = lines(`${JSON.stringify(batch)}\n`, [], 50) as unknown as [{ tooLarge: Envelope[] }];
    expect(found.tooLarge.map((envelope) => Object.fromEntries(envelope.scalars))).toEqual([
      { id: '1', method: '"tools/call"', 'params.name': '"a"' },
      { id: '2', method: '"ping"' },
    ]);
  });

  test('the envelope agrees with the parsed message, whatever the chunks', () => {
    const json = fc.jsonValue({ maxDepth: 4 });
    const request = fc.record(
      {
        jsonrpc: fc.constant('2.0'),
        method: fc.string({ unit: 'binary' }),
        params: fc.oneof(
          json,
          fc.record({ arguments: json, name: fc.string({ unit: 'grapheme' }), uri: fc.string() }),
        ),
        result: fc.oneof(json, fc.record({ isError: fc.boolean(), content: json })),
        id: fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string()),
      },
      { requiredKeys: ['id'] },
    );
    fc.assert(
      fc.property(request, cutsOf, fc.constantFrom(undefined, 2, '\t'), (value, cuts, indent) => {
        const text = JSON.stringify(value, null, indent).replaceAll('\n', '\r');
        const [found] = split(Buffer.from(text), cuts, 1) as [{ tooLarge: Envelope[]; bytes: number }];
        expect(found.bytes).toBe(Buffer.byteLength(text));
        const envelope = found.tooLarge[0] as Envelope;
        expect(envelope.bytes).toBe(Buffer.byteLength(text));
        const parsed = JSON.parse(text) as Record<string, unknown>;
        for (const [path, raw] of envelope.scalars) {
          const [top, below] = path.split('.') as [string, string | undefined];
          const member = parsed[top] as Record<string, unknown>;
          expect(JSON.parse(raw), path).toEqual(below === undefined ? member : member[below]);
        }
        expect(envelope.scalars.has('id')).toBe(true);
        const top = [...envelope.sizes.keys()].filter((path) => path !== 'params.arguments');
        expect(top.sort()).toEqual(Object.keys(parsed).sort());
        if (indent !== undefined) return;
        for (const [path, size] of envelope.sizes) {
          const [key, below] = path.split('.') as [string, string | undefined];
          const member = below === undefined ? parsed[key] : (parsed[key] as Record<string, unknown>)[below];
          expect(size, path).toBe(Buffer.byteLength(JSON.stringify(member)));
        }
      }),
      { numRuns: 500 },
    );
  });
});
