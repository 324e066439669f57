import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold } from '../../core/fold.ts';
import { compilePattern, coversPattern, fits } from '../../core/pattern.ts';

describe('fold', () => {
  it.each([
    ['Ada', 'ada'],
    ['  ada\t', 'ada'],
    ['STRASSE', 'strasse'],
    ['Straße', 'strasse'],
    ['ＡＤＡ', 'ada'],
    ['ﬁn', 'fin'],
    ['e\u0301', '\u00e9'],
    ['\u00c9', '\u00e9'],
    ['ΟΔΟΣ', 'οδοσ'],
    ['οδος', 'οδοσ'],
    ['a b', 'a b'],
    ['', ''],
    [' ', ''],
  ])('%j is %j', (text, folded) => expect(fold(text)).toBe(folded));
  it('is the same when done twice', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(fold(fold(text))).toBe(fold(text));
      }),
    );
  });
  it('keeps apart what only looks alike', () => expect(fold('ada\u200b')).not.toBe('ada'));
});

describe('patterns', () => {
  it.each([
    ['svc-*', 'svc-pay', true],
    ['svc-*', 'svc-', true],
    ['SVC-*', 'svc-pay', true],
    ['svc-*', 'my-svc-pay', false],
    ['*-prod', 'x-prod', true],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'acb', false],
    ['a*a', 'a', false],
    ['ab*ba', 'aba', false],
    ['*', 'anything', true],
    ['**', 'anything', true],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['a\\**', 'a*b', true],
    ['team *', 'team red', true],
    ['team *', 'teamred', false],
    ['a.c', 'abc', false],
    ['(a+)+$', '(a+)+$', true],
  ])('%s on %s: %s', (pattern, text, expected) =>
    expect(fits(compilePattern(pattern), fold(text))).toBe(expected),
  );

  const piece = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 });
  const glob = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('*'));
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 });

  it('fit as the regular expression would', () => {
    fc.assert(
      fc.property(glob, text, (pattern, value) => {
        expect(fits(compilePattern(pattern), value)).toBe(
          new RegExp(`^${pattern.replaceAll(/\*+/g, '.*')}$`).test(value),
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('that cover another fit all that it fits', () => {
    let covered = 0;
    fc.assert(
      fc.property(
        fc.array(glob, { minLength: 1, maxLength: 3 }),
        fc.array(glob, { minLength: 1, maxLength: 2 }),
        text,
        (wide, narrow, value) => {
          const [a, b] = [compilePattern(wide), compilePattern(narrow)];
          if (!coversPattern(a, b)) return;
          covered++;
          if (fits(b, value)) expect(fits(a, value)).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
    expect(covered).toBeGreaterThan(100);
  });

  it('take linear time', () => {
    const pattern = compilePattern(`${'a*'.repeat(200)}b`);
    // One that tries again from each star would never end.
    expect(fits(pattern, 'a'.repeat(5000))).toBe(false);
    expect(fits(pattern, `${'a'.repeat(5000)}b`)).toBe(true);
  });
});
