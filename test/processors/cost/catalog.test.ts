import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bundledCatalog } from '../../../processors/cost/catalog.ts';
import { catalogOf, priceUsage } from '../../../processors/cost/index.ts';
import { calcPrice, type Match, waitForUpdate } from './genai.ts';

const catalog = catalogOf([], bundledCatalog());
const NOW = Date.parse('2026-11-25T12:00:00Z');
const root = fileURLToPath(new URL('../../../', import.meta.url));

const price = (
  model: string,
  at: string | number,
  usage: Record<string, bigint> = { input: 1_000_000n, output: 1_000_000n },
) => priceUsage(catalog, { model, atMs: typeof at === 'string' ? Date.parse(at) : at, usage });
const usd = (pico: bigint): number => Number(pico) / 1e12;
/** Relative difference of a sum of a few doubles. */
const near = (a: number, b: number): boolean =>
  Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), 1e-6);

it('the bundled catalogue is what the script builds', () => {
  const result = spawnSync(process.execPath, ['scripts/prices.ts', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(result.stderr + result.stdout).toBe('');
  expect(result.status).toBe(0);
});

describe('against genai-prices, at dates', () => {
  const dates = [
    '2024-06-01T12:00:00Z',
    '2025-06-09T23:59:59Z',
    '2025-06-10T00:00:00Z',
    '2026-03-12T12:00:00Z',
    '2026-03-13T00:00:00Z',
    '2026-08-10T02:00:00Z',
    '2026-11-25T00:29:59Z',
    '2026-11-25T00:30:00Z',
    '2026-11-25T16:30:00Z',
    '2027-01-01T00:00:00Z',
  ];

  it('agrees on each of its names that it has a price of tokens for', async () => {
    const providers = (await waitForUpdate()) ?? [];
    const disagree: string[] = [];
    let agree = 0;
    let unpriced = 0;
    for (const provider of providers) {
      for (const model of provider.models) {
        const names = new Set([model.id, ...literals(model.match)]);
        for (const name of names) {
          for (const at of dates) {
            const usage = {
              input_tokens: 301_500,
              cache_read_tokens: 1000,
              cache_write_tokens: 500,
              output_tokens: 1000,
            };
            const theirs = attempt(() =>
              calcPrice(usage, name, { providerId: provider.id, timestamp: new Date(at) }),
            );
            if (theirs === null) continue;
            const ours = price(`${provider.id}/${name}`, at, {
              input: 300_000n,
              cache_read: 1000n,
              cache_write: 500n,
              output: 1000n,
            });
            if (ours.price_id.startsWith('unpriced') && theirs.total_price > 0) unpriced++;
            else if (ours.price_id.startsWith('unpriced')) continue;
            else if (near(usd(ours.amount), theirs.total_price)) agree++;
            // LiteLLM has a row of this very name where genai-prices has a clause for a family of names.
            else if (!ours.price_id.includes('/litellm:'))
              disagree.push(
                `${provider.id}/${name} at ${at}: ${usd(ours.amount)}, not ${theirs.total_price}`,
              );
          }
        }
      }
    }
    expect(disagree).toEqual([]);
    expect(agree).toBeGreaterThan(10_000);
    expect(unpriced).toBe(0);
  });

  it.each([
    ['o3', '2025-06-09T23:59:59Z', 10 + 40],
    ['o3', '2025-06-10T00:00:00Z', 2 + 8],
    ['openai:o3', '2025-06-10T00:00:00Z', 2 + 8],
    ['deepseek-chat', '2026-01-01T00:29:59Z', 0.135 + 0.55],
    ['deepseek-chat', '2026-01-01T00:30:00Z', 0.27 + 1.1],
    ['mistral-medium-latest', '2026-06-16', 1.5 + 7.5],
  ])('%s at %s', (model, at, amount) => expect(usd(price(model, at).amount)).toBeCloseTo(amount, 9));
});

describe('against LiteLLM', () => {
  const rows = readFileSync(`${root}processors/cost/catalog/sources/litellm.ndjson`, 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as Record<string, string> & { id: string });

  it('each of its keys has its price, or that of genai-prices for the same model', () => {
    const wrong: string[] = [];
    let same = 0;
    let others = 0;
    for (const row of rows) {
      if (row.input_cost_per_token === undefined) continue;
      const [base, context] = [Number(row.input_cost_per_token), 1_000_000];
      const tiers = Object.entries(row).flatMap(([field, value]) => {
        const found = /^input_cost_per_token_above_(\d+)(k?)_tokens$/.exec(field);
        return found === null
          ? []
          : [{ start: Number(found[1]) * (found[2] === 'k' ? 1000 : 1), value: Number(value) }];
      });
      const ranges =
        (row.tiered_pricing as unknown as { range: [string]; input_cost_per_token: string }[] | undefined) ??
        [];
      for (const range of ranges)
        tiers.push({ start: Number(range.range[0]), value: Number(range.input_cost_per_token) });
      const rate = tiers
        .sort((a, b) => a.start - b.start)
        .reduce((found, tier) => (context > tier.start ? tier.value : found), base);
      const ours = price(row.id, NOW, { input: BigInt(context) });
      const line = ours.lines.find(({ kind }) => kind === 'input');
      if (line !== undefined && near(Number(line.amount_usd), rate * context)) same++;
      else if (ours.price_id.includes('/genai-prices:')) others++;
      else wrong.push(`${row.id}: ${line?.amount_usd}, not ${rate * context}`);
    }
    expect(wrong).toEqual([]);
    expect(same).toBeGreaterThan(3500);
    // Where the tables differ: `node scripts/prices.ts --conflicts` lists them.
    expect(others / same).toBeLessThan(0.03);
  });

  it.each([
    ['azure/gpt-4o', 'azure/gpt-4o'],
    ['claude-sonnet-5-5', 'claude-sonnet-5-5'],
    ['anthropic/claude-sonnet-5-5', 'claude-sonnet-5-5'],
    ['us.anthropic.claude-sonnet-5-5', 'us.anthropic.claude-sonnet-5-5'],
    ['bedrock/us.anthropic.claude-sonnet-5-5', 'us.anthropic.claude-sonnet-5-5'],
    ['bedrock/converse/us.anthropic.claude-sonnet-5-5', 'us.anthropic.claude-sonnet-5-5'],
    [
      'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-5-5',
      'us.anthropic.claude-sonnet-5-5',
    ],
    [
      'bedrock/eu-west-3/mistral.mistral-large-2402-v1:0',
      'bedrock/eu-west-3/mistral.mistral-large-2402-v1:0',
    ],
    ['VERTEX_AI/Claude-Sonnet-5-5@default', 'vertex_ai/claude-sonnet-5-5@default'],
    [' gemini/gemini-3.8-flash-lite-tts ', 'gemini/gemini-3.8-flash-lite-tts'],
  ])('%s is the row %s', (name, key) =>
    expect(price(name, NOW).price_id).toMatch(new RegExp(`/litellm:${key.replaceAll('.', '\\.')}@\\*$`)),
  );

  it('bills the higher tier of xAI at its limit, all others above it', () => {
    const line = (model: string, input: bigint) => price(model, NOW, { input }).lines[0]?.price_id;
    expect(line('gemini/gemini-2.5-pro', 200_000n)).toMatch(/#input$/);
    expect(line('gemini/gemini-2.5-pro', 200_001n)).toMatch(/#input>200000$/);
    expect(line('xai/grok-4.7', 199_999n)).toMatch(/#input$/);
    expect(line('xai/grok-4.7', 200_000n)).toMatch(/#input>199999$/);
  });
});

describe('a name is read as SDKs and clouds write it', () => {
  it.each([
    ['openai.chat/gpt-4o', 'openai/gpt-4o'],
    ['openai-responses:gpt-5', 'openai/gpt-5'],
    ['anthropic.messages/claude-sonnet-4-20250514', 'anthropic/claude-sonnet-4-20250514'],
    ['gcp.gen_ai/gemini-2.5-pro', 'google/gemini-2.5-pro'],
    ['gcp.vertex.agent/gemini-2.5-pro', 'google/gemini-2.5-pro'],
    ['google-vertex-search/gemini-2.5-flash', 'google/gemini-2.5-flash'],
    ['google.generative-ai/gemini-2.5-pro', 'google/gemini-2.5-pro'],
    ['google.vertex.chat/gemini-2.5-pro', 'google/gemini-2.5-pro'],
    ['models/gemini-2.5-pro', 'google/gemini-2.5-pro'],
    ['google-gla:models/gemini-2.5-flash', 'google/gemini-2.5-flash'],
    ['publishers/google/models/gemini-2.5-flash', 'google/gemini-2.5-flash'],
    ['google-vertex/publishers/google/models/gemini-2.0-flash-001', 'google/gemini-2.0-flash'],
    [
      'projects/p/locations/us-central1/publishers/anthropic/models/claude-sonnet-4-5@20250929',
      'vertex_ai/claude-sonnet-4-5@20250929',
    ],
    ['azure.ai.openai/gpt-4o', 'azure/gpt-4o'],
    ['xai.chat/grok-4', 'x-ai/grok-4'],
  ])('%s is %s', (name, same) => {
    const { amount, price_id } = price(name, NOW);
    expect(price_id).not.toMatch(/^unpriced/);
    expect({ amount, price_id }).toEqual({
      amount: price(same, NOW).amount,
      price_id: price(same, NOW).price_id,
    });
  });

  it.each(['unheard-of.chat/gpt-4o', 'deepseek-chat/gpt-4o', 'models/house-1'])('%s is nobody', (name) =>
    expect(price(name, NOW).price_id).toBe('unpriced/unknown-model'),
  );
});

describe('of two tables that agree on input and output, the one that knows more', () => {
  it('a dated snapshot has the tiers of its alias', () => {
    const long = { input: 200_001n, output: 1000n, cache_read: 50n };
    const [alias, dated] = ['claude-sonnet-4-5', 'claude-sonnet-4-5-20250929'].map((name) =>
      price(name, NOW, long),
    );
    expect(dated).toEqual(alias);
    expect(dated?.lines[0]?.price_id).toMatch(/genai-prices:anthropic\/claude-sonnet-4-5@\*#input>200000$/);
  });

  it('cache prices that LiteLLM lacks for a snapshot', () => {
    const [line] = price('vertex_ai/claude-3-haiku@20240307', NOW, { cache_read: 1_000_000n }).lines;
    expect(line?.amount_usd).toBe('0.03');
  });

  it("LiteLLM's tiers, where genai-prices has none", () => {
    const [line] = price('us.anthropic.claude-sonnet-4-20250514-v1:0', NOW, { input: 200_001n }).lines;
    expect(line?.price_id).toMatch(/litellm:us\.anthropic\.claude-sonnet-4-20250514-v1:0@\*#input>200000$/);
  });
});

describe("never a neighbour's price", () => {
  it.each([
    'gpt-4o-super',
    'gpt-99',
    'claude-opus-9',
    'claude-sonnet-4-5-turbo',
    'mycompany/claude-sonnet-4-5',
    'o3-mini-ultra',
    'gpt-4o-2099-01-01',
    'azure/my-deployment',
    'llama',
    'x'.repeat(1000),
    '__proto__',
    'constructor',
    '../../etc',
    'openai/',
    'openai/openai/gpt-4o',
    'bedrock/mars-north-1/anthropic.claude-v2',
  ])('%s is unpriced', (model) => {
    const priced = price(model, NOW);
    expect(priced).toMatchObject({ amount: 0n, price_id: 'unpriced/unknown-model' });
    expect(priced.lines.map(({ basis, amount_usd }) => `${basis} ${amount_usd}`)).toEqual([
      'unpriced 0',
      'unpriced 0',
    ]);
  });
  it('no model at all is told apart', () => expect(price(' ', NOW).price_id).toBe('unpriced/no-model'));
});

function literals(match: Match): string[] {
  if ('or' in match) return match.or.flatMap(literals);
  return 'equals' in match ? [match.equals] : [];
}

function attempt<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
