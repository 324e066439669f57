import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-price-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function price(lines: readonly unknown[], ...args: string[]) {
  const input = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const result = spawnSync(process.execPath, [main, 'price', ...args], { input, encoding: 'utf8' });
  const answers = result.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  return { ...result, answers };
}

describe('toolmeter price', () => {
  it('answers each line in order, with exactly what it says it does', () => {
    const { answers, status, stderr } = price([
      {
        id: 'a',
        model: 'gpt-4o',
        at: '2026-01-01T00:00:00Z',
        usage: { input: 1000, output: 500, cache_read: 100, cache_write: 0, reasoning: 3 },
      },
      { id: 2, model: 'o3', at: '2025-06-09', usage: { input: 3 } },
      { id: 3, model: 'o3', at: '2025-06-10T01:00:00+02:00', usage: { input: 3 } },
      { id: 4, model: 'o3', at: '2025-06-10T00:00:00Z', usage: { input: 3 } },
      { model: 'no-such-model', usage: { input: 3 } },
      { id: 6, model: 'o3', at: '2025-06-09T23:59:59.999', usage: { input: 3, output: null } },
    ]);
    expect([status, stderr]).toEqual([0, '']);
    const id = '2026-11-25.[0-9a-f]{8}/genai-prices:openai/gpt-4o@\\*';
    expect(Object.keys(answers[0])).toEqual(['id', 'amount', 'lines', 'price_id']);
    expect(answers[0]).toMatchObject({
      id: 'a',
      amount: '0.007655',
      price_id: expect.stringMatching(new RegExp(`^${id}$`)),
    });
    expect(answers[0].lines).toEqual([
      {
        kind: 'input',
        quantity: '1000',
        unit: 'token',
        unit_price_usd: '0.0000025',
        amount_usd: '0.0025',
        price_id: expect.stringMatching(new RegExp(`^${id}#input$`)),
        basis: 'metered',
      },
      {
        kind: 'output',
        quantity: '500',
        unit: 'token',
        unit_price_usd: '0.00001',
        amount_usd: '0.005',
        price_id: expect.stringMatching(new RegExp(`^${id}#output$`)),
        basis: 'metered',
      },
      {
        kind: 'cache_read',
        quantity: '100',
        unit: 'token',
        unit_price_usd: '0.00000125',
        amount_usd: '0.000125',
        price_id: expect.stringMatching(new RegExp(`^${id}#cache_read$`)),
        basis: 'metered',
      },
      {
        kind: 'reasoning',
        quantity: '3',
        unit: 'token',
        unit_price_usd: '0.00001',
        amount_usd: '0.00003',
        price_id: expect.stringMatching(new RegExp(`^${id}#output$`)),
        basis: 'metered',
      },
    ]);
    expect(answers.slice(1).map(({ amount }) => amount)).toEqual([
      '0.00003',
      '0.00003',
      '0.000006',
      '0',
      '0.00003',
    ]);
    expect(answers[4]).toMatchObject({
      price_id: 'unpriced/unknown-model',
      lines: [{ basis: 'unpriced', amount_usd: '0' }],
    });
    expect('id' in answers[4]).toBe(false);
  });

  it('answers bad lines with an error each, and goes on', () => {
    const { answers, status } = price([
      '{',
      { id: 1, usage: {} },
      { id: 2, model: 'gpt-4o', usage: { input: -1 } },
      { id: 3, model: 'gpt-4o', usage: { input: 1.5 } },
      { id: 4, model: 'gpt-4o', usage: { inptu: 1 } },
      { id: 5, model: 'gpt-4o', at: 'yesterday', usage: { input: 1 } },
      { id: 6, model: 'gpt-4o', at: '2026-02-30', usage: { input: 1 } },
      { id: 7, model: 'gpt-4o', usage: { input: '123456789012345678' } },
      { id: 8, model: 'gpt-4o', usage: { input: 1e30 } },
      { id: 9, model: 'gpt-4o', usage: { input: '-1' } },
      { id: 10, model: 'gpt-4o', at: null, usage: { input: null } },
    ]);
    expect(status).toBe(0);
    expect(answers.map(({ id, error, amount }) => [id, error?.code ?? amount])).toEqual([
      [undefined, 'TM_NDJSON_LINE'],
      ...[1, 2, 3, 4, 5, 6].map((id) => [id, 'TM_PRICE_REQUEST']),
      [7, '308641972530.864195'],
      [8, 'TM_PRICE_REQUEST'],
      [9, 'TM_PRICE_REQUEST'],
      [10, '0'],
    ]);
    // One wording, whatever is wrong with a count.
    expect(new Set([2, 3, 8, 9].map((i) => answers[i].error.message))).toEqual(
      new Set([
        'usage.input: expected a whole number from 0 to 9007199254740991, or text of up to 18 digits for a larger one',
      ]),
    );
  });

  it('takes price files, later ones over earlier ones', () => {
    const [first, second] = [join(folder, 'first.yaml'), join(folder, 'second.yaml')];
    writeFileSync(first, 'models:\n  - { model: mine, usd_per_million_tokens: { input: 1, output: 2 } }\n');
    writeFileSync(second, 'models:\n  - { model: mine, usd_per_million_tokens: { input: 3, output: 4 } }\n');
    const lines = [{ id: 1, model: 'mine', usage: { input: 1_000_000 } }];
    expect(price(lines, '--prices', first).answers[0].amount).toBe('1');
    expect(price(lines, '--prices', first, '--prices', second).answers[0].amount).toBe('3');
  });

  it('says what is wrong with a price file, and with its options', () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, 'models:\n  - model: m\n    usd_per_million_tokens: { input: free }\n');
    const bad = price([], '--prices', file);
    expect(bad.status).toBe(2);
    expect(bad.stderr).toMatch(
      /bad\.yaml:3:\d+: models\[0\]\.usd_per_million_tokens\.input: .*\(TM_PRICES\)/,
    );
    expect(price([], '--prices', join(folder, 'missing.yaml')).stderr).toMatch(/TM_PRICES/);
    expect(price([], '--nope').status).toBe(2);
    expect(price([], '--help').stdout).toMatch(/^Usage: toolmeter price/);
  });
});
