import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../core/canonical-json.ts';

describe('canonicalJson', () => {
  it('gives the forms of RFC 8785, sections 3.2.2 and 3.2.3', () => {
    expect(
      canonicalJson(
        JSON.parse(
          '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
        ),
      ),
    ).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.values(JSON.parse(canonicalJson(keys)) as object)).toHaveLength(7);
    expect(canonicalJson(keys)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}');
  });

  it('has one form for every order of keys, and parses back', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(reversed(value))).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('is the same where what JSON.stringify made is at hand', () => {
    let taken = 0;
    fc.assert(
      fc.property(
        fc.anything({
          withDate: true,
          withBigInt: false,
          maxDepth: 4,
          key: fc.string({ unit: 'binary' }),
          values: [
            fc.string({ unit: 'binary' }),
            fc.double(),
            fc.boolean(),
            fc.constant(undefined),
            fc.constant('\ud800'),
          ],
        }),
        (value) => {
          const serialized = JSON.stringify(value);
          if (serialized === undefined) return;
          if (canonicalJson(value, serialized) === serialized) taken++;
          expect(canonicalJson(value, serialized)).toBe(canonicalJson(value));
        },
      ),
      { numRuns: 2_000 },
    );
    expect(taken).toBeGreaterThan(200);
    const pair = { b: 1, a: '\ud800' };
    for (const value of [pair, { a: [pair] }, { a: { z: 1, b: 2 } }])
      expect(canonicalJson(value, JSON.stringify(value))).toBe(canonicalJson(value));
  });

  it('replaces lone surrogates, so that every text has a form', () => {
    expect(canonicalJson('a\ud800b')).toBe('"a\ufffdb"');
  });

  it('follows JSON.stringify for what JSON has not', () => {
    const value = { a: undefined, b: [undefined, () => 1], c: new Date(0), d: Number.NaN };
    expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
  });

  it('is not bounded by the call stack', () => {
    const depth = 200_000;
    const deep: unknown = JSON.parse('['.repeat(depth) + ']'.repeat(depth));
    expect(canonicalJson(deep)).toHaveLength(depth * 2);
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== 'object') return value;
  const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const key of Object.keys(value).reverse())
    out[key] = reversed((value as Record<string, unknown>)[key]);
  return out;
}
