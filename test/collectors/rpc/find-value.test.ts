import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findValue } from '../../../collectors/rpc/find-value.ts';

const cut = (text: string, ...path: (string | number)[]): string | undefined => {
  const span = findValue(text, path);
  return span === undefined ? undefined : text.slice(span.start, span.end);
};

describe('findValue', () => {
  test.each([
    ['{"a":1.0}', ['a'], '1.0'],
    ['{"a":{"b":9007199254740993}}', ['a', 'b'], '9007199254740993'],
    [' \n{ "a" :\t[ 1 , {"b" : "x,]}" } ] }', ['a', 1, 'b'], '"x,]}"'],
    ['[{"id":1},{"id":2}]', [1, 'id'], '2'],
    ['{"a":1,"a":2}', ['a'], '2'],
    ['{"\\u0061":1}', ['a'], '1'],
    ['{"a\\"b":true,"c":"\\\\"}', ['c'], '"\\\\"'],
    ['{"a":{"x":1},"a":{"y":2}}', ['a', 'x'], undefined],
    ['{"a":-0.10e+5}', ['a'], '-0.10e+5'],
    ['{"":null}', [''], 'null'],
    ['{}', ['a'], undefined],
    ['[]', [0], undefined],
    ['"a"', ['a'], undefined],
    ['{"a":"unterminated', ['a'], undefined],
    ['{"a":[1,2', ['a'], undefined],
    ['', ['a'], undefined],
  ])('%s at %j is %s', (text, path, expected) => {
    expect(cut(text, ...path)).toBe(expected);
  });

  // Keys that need no escape: the oracle, JSON.parse of V8 13.6 (Node 24.21), takes the key "\\"" for an earlier "\\\\".
  const key = fc
    .oneof(fc.constantFrom('a', 'b', 'params', '\u2028', '__proto__'), fc.string())
    .filter((text) => JSON.stringify(text).length === text.length + 2);
  const written = fc
    .letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.string({ unit: 'binary' }).map((s) => JSON.stringify(s)),
        fc.constantFrom('null', 'true', 'false', '1.0', '-0', '1e5', '12345678901234567890'),
        fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(' ,\n')}]`),
        fc
          .array(fc.tuple(key, tie('value')), { maxLength: 5 })
          .map((members) => `{ ${members.map(([k, v]) => `${JSON.stringify(k)} :\t${v}`).join(', ')}}`),
      ),
    }))
    .value.map(String);

  /** Every path in a parsed value, by its own keys. */
  function* paths(value: unknown, at: (string | number)[] = []): Generator<(string | number)[]> {
    yield at;
    if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* paths(item, [...at, i]);
    else if (typeof value === 'object' && value !== null)
      for (const k of Object.keys(value)) yield* paths((value as Record<string, unknown>)[k], [...at, k]);
  }

  test('what is cut parses to what JSON.parse has at that path', () => {
    fc.assert(
      fc.property(written, (text) => {
        const whole: unknown = JSON.parse(text);
        for (const path of paths(whole)) {
          let expected: unknown = whole;
          for (const step of path) expected = (expected as Record<string | number, unknown>)[step];
          const found = cut(text, ...path);
          expect(found).toBeDefined();
          expect(JSON.parse(found as string)).toEqual(expected);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('text that is not JSON never throws, and never answers past the end', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'a', '1', ' ') }),
        (text) => {
          for (const path of [['a'], [0], ['a', 'a'], [0, 'a'], []]) {
            const span = findValue(text, path);
            if (span !== undefined) expect(span.end).toBeLessThanOrEqual(text.length);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('time is linear in keys and backslashes', () => {
    const many = `{${Array.from({ length: 200_000 }, (_, i) => `"k${i}":1`).join(',')},"z":"${'\\\\'.repeat(500_000)}"}`;
    const started = performance.now();
    expect(cut(many, 'z')).toHaveLength(1_000_002);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
