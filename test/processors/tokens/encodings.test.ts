import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EncodingName, encoding } from '../../../processors/tokens/encodings.ts';

const require = createRequire(import.meta.url);
type Library = { countTokens(text: string, options: object): number };
/** The library alone: exact, and quadratic on long pieces. */
const reference = (name: EncodingName, text: string): number =>
  (require(`gpt-tokenizer/encoding/${name}`) as Library).countTokens(text, { disallowedSpecial: new Set() });

/** Runs that are over the limit of a piece, between ordinary text. */
const run = fc
  .tuple(
    fc.constantFrom('a', 'Ab', '=', ' ', '\n', ' \n', '日本', 'é', '🎉', '12', '\t', "'s", '\ud800', '-/'),
    fc.integer({ min: 1, max: 700 }),
  )
  .map(([unit, times]) => unit.repeat(times));
const text = fc
  .array(fc.oneof(run, fc.string({ unit: 'binary', maxLength: 40 }), fc.lorem()), { maxLength: 6 })
  // Where the library's white space is not tiktoken's.
  .map((parts) => parts.join('').replace(/[\u0085\ufeff]/g, ''));

describe('Encoding', () => {
  it.each(['o200k_base', 'cl100k_base'] as const)(
    'counts as the library does, long pieces and all: %s',
    (name) => {
      fc.assert(
        fc.property(text, (sample) => {
          expect(encoding(name).count(sample)).toBe(reference(name, sample));
        }),
        { numRuns: 150 },
      );
    },
  );

  it('counts known vectors of tiktoken', () => {
    expect(encoding('o200k_base').count('tiktoken is great!')).toBe(6);
    expect(encoding('cl100k_base').count('tiktoken is great!')).toBe(6);
    expect(encoding('r50k_base').count('hello world')).toBe(2);
    expect(encoding('p50k_base').count('hello world')).toBe(2);
    // p50k_base has tokens of its own for spaces, behind its special token.
    expect(encoding('p50k_base').count(' '.repeat(24))).toBe(1);
    expect(encoding('r50k_base').count(' '.repeat(24))).toBe(24);
    expect(encoding('o200k_base').count('')).toBe(0);
  });

  it.each([
    // text, o200k_base, cl100k_base: by Python's tiktoken
    ['\ufeff', 1, 1],
    ['\ufeffusing System;', 3, 3],
    ['a\ufeff\ufeff\ufeffb', 4, 5],
    ['\u0085\n\u0085x', 6, 6],
    ['.\n\u0085\u0085a', 6, 6],
    ["it'\u017f", 3, 4],
  ])('reads white space and case as Unicode does, not as JavaScript: %j', (sample, o200k, cl100k) => {
    expect(encoding('o200k_base').count(sample)).toBe(o200k);
    expect(encoding('cl100k_base').count(sample)).toBe(cl100k);
  });

  it('takes what looks like a special token as text', () => {
    expect(encoding('o200k_base').count('<|endoftext|>')).toBeGreaterThan(1);
  });

  it('takes time that grows with the length of a run, not with its square', () => {
    const counter = encoding('o200k_base');
    counter.count('a'.repeat(1000));
    for (const unit of ['a', ' ', '=', '日', '\n ', 'aB', '\u0301']) {
      // The library alone takes 26 s for 200,000 letters, and twenty-five times that for these.
      expect(counter.count(unit.repeat(1_000_000 / unit.length))).toBeGreaterThan(1_000);
    }
  });
});
