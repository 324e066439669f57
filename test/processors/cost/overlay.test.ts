import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseUsd } from '../../../core/money.ts';
import { bundledCatalog } from '../../../processors/cost/catalog.ts';
import { type Catalog, catalogOf, priceUsage } from '../../../processors/cost/index.ts';
import { readOverlay } from '../../../processors/cost/overlay.ts';

const catalog = (...files: string[]): Catalog =>
  catalogOf(
    files.map((text) => {
      const result = readOverlay(text, 'prices.yaml');
      if (!result.ok) throw new Error(JSON.stringify(result.problems));
      return result.overlay;
    }),
    bundledCatalog(),
  );
const problems = (text: string): string[] => {
  const result = readOverlay(text, 'prices.yaml');
  return result.ok ? [] : result.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);
};
const amount = (
  prices: Catalog,
  model: string,
  at: string,
  usage: Record<string, bigint>,
  known?: string,
): string => {
  const priced = priceUsage(prices, {
    model,
    atMs: Date.parse(at),
    usage,
    ...(known !== undefined && { knownMs: Date.parse(known) }),
  });
  return priced.price_id.startsWith('unpriced') ? priced.price_id : `${priced.amount}`;
};

const HOUSE = `
models:
  - model: house-1
    aliases: [House-One, "07"]
    valid_from: 2026-01-01
    usd_per_million_tokens: { input: 1, output: 4, cache_read: 0.1, above: [ { input_tokens: 1000, input: 2, output: 8 } ] }
  - model: house-1
    valid_from: 2026-06-01
    usd_per_million_tokens: { input: 0.5, output: 2 }
    usd_per_request: 0.001
  - model: house-1
    valid_from: 2026-03-01
    recorded_at: 2026-09-01
    usd_per_million_tokens: { input: 3, output: 3 }
    valid_to: 2026-03-15T12:00:00+02:00
`;

describe('a price file', () => {
  const prices = catalog(HOUSE);
  it.each([
    ['before it is valid', 'house-1', '2025-12-31T23:59:59Z', 'unpriced/unknown-model'],
    ['from its first instant', 'house-1', '2026-01-01', '1000000000'],
    ['by an alias, in any case', ' HOUSE-ONE ', '2026-02-01', '1000000000'],
    ['whose name looks like a number', '07', '2026-02-01', '1000000000'],
    ['recorded later for a time that was priced before', 'house-1', '2026-03-01', '3000000000'],
    ['until its end, which has a zone', 'house-1', '2026-03-15T09:59:59Z', '3000000000'],
    ['from its end on', 'house-1', '2026-03-15T10:00:00Z', '1000000000'],
    ['with a fee a request', 'house-1', '2026-06-01', '1500000000'],
    ['beside the bundled ones', 'gpt-4o', '2026-06-01', '2500000000'],
  ])('%s', (_title, model, at, expected) =>
    expect(amount(prices, model, at, { input: 1000n })).toBe(expected),
  );

  it('is priced as it was known', () => {
    expect(amount(prices, 'house-1', '2026-03-10', { input: 1n }, '2026-08-31')).toBe('1000000');
    expect(amount(prices, 'house-1', '2026-03-10', { input: 1n }, '2026-09-01')).toBe('3000000');
    expect(amount(prices, 'gpt-4o', '2026-03-10', { input: 1n }, '2026-01-01')).toBe(
      'unpriced/unknown-model',
    );
  });

  it('chooses the tier by input and cache fields together, for the whole request', () => {
    const at = '2026-02-01';
    expect(
      amount(prices, 'house-1', at, { input: 900n, cache_read: 50n, cache_write: 50n, output: 1n }),
    ).toBe(`${900 * 1_000_000 + 50 * 100_000 + 50 * 1_000_000 + 4_000_000}`);
    expect(
      amount(prices, 'house-1', at, { input: 900n, cache_read: 50n, cache_write: 51n, output: 1n }),
    ).toBe(`${900 * 2_000_000 + 50 * 100_000 + 51 * 2_000_000 + 8_000_000}`);
  });

  it('wins over earlier ones and the bundled prices, or stands alone', () => {
    const mine = 'models: [ { model: gpt-4o, usd_per_million_tokens: { input: 7 } } ]';
    expect(amount(catalog(mine), 'gpt-4o', '2026-01-01', { input: 1n })).toBe('7000000');
    expect(amount(catalog(mine, mine.replace('7', '9')), 'gpt-4o', '2026-01-01', { input: 1n })).toBe(
      '9000000',
    );
    expect(amount(catalog(`base: none\n${mine}`), 'o3', '2026-01-01', { input: 1n })).toBe(
      'unpriced/unknown-model',
    );
    expect(catalog(mine).version).toMatch(/^2026-11-25\.[0-9a-f]{8}\+file\.[0-9a-f]{12}$/);
  });

  it('leaves a kind without a price unpriced, and says so in its line', () => {
    const mine = catalog('models: [ { model: m, usd_per_million_tokens: { input: 7 } } ]');
    const { lines, amount: sum } = priceUsage(mine, {
      model: 'm',
      atMs: 0,
      usage: { input: 1n, output: 5n, reasoning: 2n },
    });
    expect(sum).toBe(7_000_000n);
    expect(
      lines.map(({ kind, basis, price_id }) => [kind, basis, price_id.replace(/^file\.\w+/, '')]),
    ).toEqual([
      ['input', 'metered', '/overlay:m@*#input'],
      ['output', 'unpriced', 'unpriced/no-rate'],
      ['reasoning', 'unpriced', 'unpriced/no-rate'],
    ]);
  });
});

describe('exactness', () => {
  it.each([
    ['1e-1', 1n, '100000'],
    ['0.000001', 1n, '1'],
    ['0.0000005', 1n, '0'],
    ['0.0000015', 1n, '2'],
    ['0.0000025', 1n, '2'],
    ['1.142857142857142857', 7n, '8000000'],
    ['123456789012.5', 3n, '370370367037500000'],
  ])('%s USD per million', (price, tokens, expected) => {
    const prices = catalog(`models: [ { model: m, usd_per_million_tokens: { input: ${price} } } ]`);
    expect(amount(prices, 'm', '2026-01-01', { input: tokens })).toBe(expected);
  });

  it('the amount is the exact sum of its lines, whatever the model, time and usage', () => {
    const tokens = fc.bigInt({ min: 0n, max: 10n ** 12n });
    const prices = catalog(HOUSE);
    fc.assert(
      fc.property(
        fc.constantFrom(
          'gpt-4o',
          'o3',
          'house-1',
          'gemini/gemini-2.5-pro',
          'bigmodel/glm-5.3',
          'perplexity/sonar',
          'nobody',
        ),
        fc.date({ min: new Date('2024-01-01'), max: new Date('2027-01-01'), noInvalidDate: true }),
        fc.record(
          { input: tokens, output: tokens, cache_read: tokens, cache_write: tokens, reasoning: tokens },
          { requiredKeys: [] },
        ),
        (model, at, usage) => {
          const priced = priceUsage(prices, { model, atMs: at.getTime(), usage });
          const sum = priced.lines.reduce((total, line) => total + (parseUsd(line.amount_usd) as bigint), 0n);
          expect(priced.amount).toBe(sum);
          for (const line of priced.lines)
            if (line.basis === 'metered')
              expect(prices.describe(line.price_id)?.unit_price_usd).toBe(line.unit_price_usd);
          for (const line of priced.lines) {
            if (line.kind === 'request') continue;
            expect(BigInt(line.quantity)).toBe(usage[line.kind as 'input'] ?? 0n);
            const unit = parseUsd(line.unit_price_usd) as bigint;
            const off = (parseUsd(line.amount_usd) as bigint) - BigInt(line.quantity) * unit;
            // The unit price shown is rounded to a pico-dollar.
            expect(2n * (off < 0n ? -off : off) <= BigInt(line.quantity) + 1n).toBe(true);
          }
          const billed = Object.entries(usage).filter(([, count]) => (count ?? 0n) > 0n).length;
          expect(priced.lines.filter(({ kind }) => kind !== 'request').length).toBe(
            billed || (priced.price_id.startsWith('unpriced') ? 1 : 0),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a price id', () => {
  it('finds its price again', () => {
    const prices = catalog(HOUSE);
    const at = (model: string, time: string, usage: Record<string, bigint>) =>
      priceUsage(prices, { model, atMs: Date.parse(time), usage }).lines.map(({ price_id }) =>
        prices.describe(price_id),
      );
    expect(at('07', '2026-02-01', { input: 2000n })).toEqual([
      {
        source: 'overlay',
        model: 'house-1',
        kind: 'input',
        above: '1000',
        unit_price_usd: '0.000002',
        valid_from: '2026-01-01T00:00:00.000Z',
        valid_to: null,
        recorded_at: null,
      },
    ]);
    expect(at('o3', '2025-07-01', { reasoning: 1n })).toEqual([
      {
        source: 'genai-prices',
        model: 'openai/o3',
        kind: 'output',
        above: null,
        unit_price_usd: '0.000008',
        valid_from: '2025-06-10T00:00:00.000Z',
        valid_to: null,
        recorded_at: '2026-11-25T00:00:00.000Z',
      },
    ]);
    for (const id of [
      'reported',
      'unpriced/no-model',
      '',
      '2020-01-01.00000000/litellm:o3@*#input',
      'file.x/overlay:m@*#nonsense',
    ])
      expect(prices.describe(id)).toBeNull();
  });
});

describe('problems have their line', () => {
  it.each([
    [
      'models:\n  - model: m\n    usd_per_million_tokens: { input: -1 }\n',
      /^3 models\[0\]\.usd_per_million_tokens\.input: expected a decimal/,
    ],
    [
      'models:\n  - model: m\n    usd_per_million_tokens: { input: 1, outptu: 2 }\n',
      /^3 .*outptu: is not a known key/,
    ],
    [
      'models:\n  - model: m\n    valid_from: 2026-13-01\n    usd_per_million_tokens: { input: 1 }\n',
      /^3 models\[0\]\.valid_from: /,
    ],
    [
      'models:\n  - model: m\n    valid_from: 2026-02-01\n    valid_to: 2026-02-01\n    usd_per_million_tokens: { input: 1 }\n',
      /^2 models\[0\]: ends before it begins/,
    ],
    [
      'models:\n  - model: m\n    usd_per_million_tokens: {}\n',
      /^3 models\[0\]\.usd_per_million_tokens: holds no price/,
    ],
    [
      'models:\n  - model: m\n    usd_per_million_tokens: { input: 1 }\n  - model: x\n    aliases: [M]\n    usd_per_million_tokens: { input: 2 }\n',
      /^4 models\[1\]: has the same valid_from as the price of the same name in line 2/,
    ],
    [
      'models:\n  - model: m\n    usd_per_million_tokens: { input: 1, above: [ { input_tokens: 5, output: 3 } ] }\n',
      /^3 .*needs a base price/,
    ],
    [
      'tools:\n  - server: s\n    tool: t\n    fee_usd: 1\n  - server: S\n    tool: " t"\n    fee_usd: 2\n',
      /^5 tools\[1\]: has the same valid_from/,
    ],
    ['tools:\n  - server: s\n    tool: t\n    fee_usd: 1\n    per: day\n', /^5 tools\[0\]\.per: /],
  ])('%j', (text, problem) => expect(problems(text)).toEqual([expect.stringMatching(problem)]));
});
