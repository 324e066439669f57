import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createScrubber, type Scrubber, type ScrubResult } from '../../../processors/scrub/index.ts';
import { Maker, positives } from '../../support/labelled-text.ts';

const scrubber: Scrubber = createScrubber({ key: { kid: 'k1', secret: new Uint8Array(32).fill(7) } });

/** Values of every type, in the many forms of the labelled set. */
const finding = fc.integer({ min: 0, max: 3000 }).map((seed) => {
  const [sample] = positives(seed, 1);
  const label = sample?.labels[0];
  return sample === undefined || label === undefined || sample.json
    ? 'ada@example.org'
    : sample.text.slice(label.start, label.end);
});
/** Pieces that meet badly: findings that touch, words of context, placeholders, escapes, half of everything. */
const piece = fc.oneof(
  finding,
  fc.constantFrom(
    ' ',
    '',
    '-',
    ', ',
    'tel ',
    'card ',
    'ssn: ',
    'password=',
    '"',
    '\\',
    '{',
    '[',
    '}',
    ':',
    '<',
    '>',
    '\n',
    '@',
    '+',
    '(',
    '00',
    '1.2.3.4',
    '<email:abcdefghijklmnop>',
    '\ud800',
    'é',
    '日本',
    '-----BEGIN PRIVATE KEY-----',
    'data:image/png;base64,AAAA',
    'Bearer ',
    '://u:',
  ),
  fc.string({ maxLength: 8 }),
);
const text = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(''));
const key = fc.oneof(
  fc.constantFrom(
    'a',
    'phone',
    'password',
    'id',
    'type',
    'data',
    'mimeType',
    'blob',
    'properties',
    'text',
    'ssn',
    'token',
    'version',
    'ada@example.org',
  ),
  fc.string({ maxLength: 6 }),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    text,
    fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom(4111111111111111, 4155550132),
    ),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(key, tie('json'), { maxKeys: 4 }),
    text.map((inner) => JSON.stringify({ text: inner, password: inner })),
    fc.constantFrom('image', 'audio', 'aGVsbG8gd29ybGQhIQ=='),
  ),
}));
/** The same value with other whitespace and other escapes. */
const jsonText = fc.tuple(json, fc.boolean(), fc.boolean()).map(([value, indented, escaped]) => {
  const written = JSON.stringify(value, null, indented ? 2 : 0);
  return escaped ? written.replace(/@/g, '\\u0040').replace(/\//g, '\\/') : written;
});

/** What is outside findings and media stands in the output as it stood, in order. */
function expectSameOutside(input: string, { text: output, findings }: ScrubResult): void {
  const ends = findings.map(({ start, end }) => [start, end] as const);
  for (const [i, [start, end]] of ends.entries()) {
    expect(start).toBeLessThan(end);
    expect(start).toBeGreaterThanOrEqual(i === 0 ? 0 : (ends[i - 1]?.[1] ?? 0));
    expect(end).toBeLessThanOrEqual(input.length);
  }
  const outside: string[] = [];
  let at = 0;
  for (const [start, end] of ends) {
    outside.push(input.slice(at, start));
    at = end;
  }
  outside.push(input.slice(at));
  const pattern = outside
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('(?:\\\\*"?)?<[a-z_]+:[a-z2-7]{16}>(?:\\\\*"?)?');
  expect(new RegExp(`^${pattern}$`, 's').test(output)).toBe(true);
}

describe('scrubbing', () => {
  it('keeps everything outside findings to the byte: plain text', () => {
    fc.assert(
      fc.property(text, (input) => {
        const result = scrubber.plain(input);
        if (result.media.items === 0) expectSameOutside(input, result);
      }),
      { numRuns: 1500 },
    );
  });

  it('keeps everything outside findings to the byte: JSON', () => {
    fc.assert(
      fc.property(jsonText, (input) => {
        const result = scrubber.json(input);
        if (result.media.items === 0) expectSameOutside(input, result);
      }),
      { numRuns: 1000 },
    );
  });

  it('changes nothing where it finds nothing', () => {
    fc.assert(
      fc.property(fc.json(), (input) => {
        const { text: output, findings, media } = scrubber.json(input);
        if (findings.length === 0 && media.items === 0) expect(output).toBe(input);
      }),
    );
  });

  it('leaves JSON that was valid valid, with the same shape', () => {
    fc.assert(
      fc.property(jsonText, (input) => {
        expect(() => JSON.parse(scrubber.json(input).text)).not.toThrow();
      }),
      { numRuns: 1500 },
    );
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.oneof(text, jsonText), (input) => {
        for (const scrub of [scrubber.plain, scrubber.json]) {
          const once = scrub(input).text;
          expect(scrub(once)).toEqual({ text: once, findings: [], media: { items: 0, bytes: 0 } });
        }
      }),
      { numRuns: 2500 },
    );
  });

  it('takes any cut of a text without failing', () => {
    fc.assert(
      fc.property(jsonText, fc.double({ min: 0, max: 1, noNaN: true }), (input, part) => {
        const cut = input.slice(0, Math.floor(input.length * part));
        const once = scrubber.json(cut).text;
        expect(scrubber.json(once).text).toBe(once);
      }),
      { numRuns: 1000 },
    );
  });

  it('finds in escaped text what it finds in the text as it is', () => {
    fc.assert(
      fc.property(finding, (value) => {
        const plain = JSON.stringify({ note: value });
        const escaped = `{"note":"${[...value].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"}`;
        expect(scrubber.json(escaped).findings.length).toBe(scrubber.json(plain).findings.length);
      }),
    );
  });

  it.each([
    ['digits', '1'],
    ['digits with spaces', '1 '],
    ['dots', '1.'],
    ['at signs', '@'],
    ['local parts', 'a@'],
    ['domains', 'a.'],
    ['colons', ':'],
    ['IPv6', 'f:'],
    ['parentheses', '('],
    ['pluses', '+1'],
    ['quotes', '"'],
    ['backslashes', '\\'],
    ['brackets', '['],
    ['braces', '{"a":'],
    ['equals', 'a='],
    ['passwords', 'password='],
    ['PEM starts', '-----BEGIN PRIVATE KEY-----'],
    ['JWT starts', 'eyJ'],
    ['URLs', 'https://a:'],
    ['data URLs', 'data:image/png;base64,'],
    ['bearers', 'Bearer '],
    ['pseudonyms', '<email:abcdefghijklmnop>'],
    ['half pseudonyms', '<email:'],
    ['addresses', 'a@b.co '],
    ['IBANs', 'DE89 '],
    ['access keys', 'AKIAABCDEFGHIJKLMNOP '],
    ['letters', 'a'],
    ['base64', 'aA1/'],
    ['percents', '%40'],
    ['disguises', 'a(at)b'],
    ['is', 'password is '],
  ])('takes time that grows with the length alone: %s', (_name, unit) => {
    // A quadratic detector would take minutes: the runner's limit ends it.
    const input = unit.repeat(Math.ceil(300_000 / unit.length));
    for (const text of [input, JSON.stringify({ a: input })])
      expect(scrubber.json(text).text.length).toBeGreaterThan(0);
  });

  it('gives one value one pseudonym, however it is written', () => {
    const pseudonym = (input: string): string | undefined =>
      /<[a-z]+:[a-z2-7]{16}>/.exec(scrubber.plain(input).text)?.[0];
    expect(pseudonym('Ada@Example.org')).toBe(pseudonym('x ada@example.org y'));
    expect(pseudonym('+1 (415) 555-0132')).toBe(pseudonym('call 415.555.0132'));
    expect(pseudonym('4111 1111 1111 1111')).toBe(pseudonym('4111-1111-1111-1111'));
    expect(pseudonym('de89 3704 0044 0532 0130 00')).toBe(pseudonym('DE89370400440532013000'));
    expect(pseudonym('2001:db8:0:0::1')).toBe(pseudonym('2001:DB8::0001'));
    expect(pseudonym('+44 (0)20 7946 0958')).toBe(pseudonym('+442079460958'));
    expect(pseudonym('ada@example.org')).not.toBe(pseudonym('bob@example.org'));
    const other = createScrubber({ key: { kid: 'k2', secret: new Uint8Array(32).fill(8) } });
    expect(other.plain('ada@example.org').text).not.toBe(scrubber.plain('ada@example.org').text);
  });

  it('makes the same samples for the same seed', () => {
    expect(new Maker(1).chars('ab', 20)).toBe(new Maker(1).chars('ab', 20));
  });
});
