import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { familyOf } from '../../../processors/tokens/families.ts';
import { createTokenCounter } from '../../../processors/tokens/index.ts';

const counter = createTokenCounter();
const tokenizer = (model: string): string => {
  const family = familyOf(model);
  return family.kind === 'exact' ? family.encoding : family.estimator.name;
};

const SAMPLES = {
  prose:
    'Toolmeter answers, for every call that an AI agent makes to an MCP server: who called what, on behalf of which team, what it cost, whether it leaked personal data, and whether it was normal.',
  json: '{"id":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","created_at":"2026-11-25T01:04:35.123Z","amount":1234.56,"status":"active","labels":["bug","help wanted"],"user":{"login":"octocat","site_admin":false}}',
  code: 'export function sum(values: readonly number[]): number {\n  let total = 0;\n  for (const value of values) total += value;\n  return total;\n}\n',
  zh: '今天我们讨论人工智能代理如何通过协议调用工具，以及每次调用的成本如何分摊到各个团队。',
  de: 'Heute besprechen wir, wie Agenten über das Protokoll Werkzeuge aufrufen und wie die Kosten jedes Aufrufs auf die Teams verteilt werden.',
};

describe('familyOf', () => {
  it.each([
    ['gpt-4o', 'o200k_base'],
    ['gpt-4o-mini-2024-07-18', 'o200k_base'],
    ['openai/gpt-4.1-nano', 'o200k_base'],
    ['azure/gpt-5-mini', 'o200k_base'],
    ['gpt-5.6-luna', 'o200k_base'],
    ['ft:gpt-4o-2024-08-06:acme::abc', 'o200k_base'],
    ['chatgpt-4o-latest', 'o200k_base'],
    ['o1', 'o200k_base'],
    ['o3-mini', 'o200k_base'],
    ['o4-mini-2025-04-16', 'o200k_base'],
    ['openai/gpt-oss-120b', 'o200k_base'],
    ['gpt-4', 'cl100k_base'],
    ['gpt-4-0613', 'cl100k_base'],
    ['gpt-4-turbo-2024-04-09', 'cl100k_base'],
    ['gpt-3.5-turbo', 'cl100k_base'],
    ['azure/gpt-35-turbo', 'cl100k_base'],
    ['text-embedding-3-large', 'cl100k_base'],
    ['text-davinci-003', 'p50k_base'],
    ['davinci', 'r50k_base'],
    ['claude-3-5-sonnet-20241022', 'estimate:claude-3'],
    ['claude-sonnet-4-5-20250929', 'estimate:claude-3'],
    ['us.anthropic.claude-opus-4-20250514-v1:0', 'estimate:claude-3'],
    ['claude-opus-4-6', 'estimate:claude-3'],
    ['claude-opus-4-7', 'estimate:claude-4.7'],
    ['anthropic/claude-opus-4.7', 'estimate:claude-4.7'],
    ['claude-sonnet-5', 'estimate:claude-4.7'],
    ['claude-2.1', 'estimate:claude-3'],
    ['gemini-2.5-pro', 'estimate:gemini'],
    ['vertex_ai/gemini-3-flash', 'estimate:gemini'],
    ['meta-llama/Llama-3.3-70B-Instruct', 'estimate:llama-3'],
    ['mistral-large-latest', 'estimate:mistral-tekken'],
    ['qwen3-coder', 'estimate:qwen'],
    ['deepseek-r1', 'estimate:deepseek'],
    ['turbo3', 'estimate:o200k_base'],
    ['', 'estimate:o200k_base'],
  ])('%s → %s', (model, expected) => {
    expect(tokenizer(model)).toBe(expected);
  });
});

describe('count', () => {
  it('is exact for OpenAI, and says how far off it may be for others', () => {
    expect(counter.count('hello world', 'gpt-4o')).toEqual({
      tokens: 2,
      tokenizer: 'o200k_base',
      basis: 'metered',
      error: 0,
    });
    const claude = counter.count('hello world', 'claude-opus-4-7');
    expect(claude.basis).toBe('estimated');
    expect(claude.error).toBeGreaterThan(0);
  });

  it('counts each digit for families that do so', () => {
    // Gemma 3's tokenizer: 13 digits are 13 tokens; o200k_base makes 5 of them.
    expect(counter.count('1764032075123', 'gemini-2.5-pro').tokens).toBe(13);
    expect(counter.count('1764032075123', 'gpt-4o').tokens).toBe(5);
  });

  // Tokens by the published tokenizers, without a beginning-of-text token: Gemma 3, Llama 3, Qwen 3, DeepSeek V3, Tekken.
  it.each([
    ['gemini-2.5-pro', { prose: 43, json: 103, code: 41, zh: 23, de: 30 }],
    ['llama-3.1-70b', { prose: 43, json: 81, code: 34, zh: 29, de: 37 }],
    ['qwen3', { prose: 43, json: 102, code: 34, zh: 23, de: 37 }],
    ['deepseek-v3', { prose: 44, json: 83, code: 35, zh: 21, de: 36 }],
    ['open-mistral-nemo', { prose: 43, json: 103, code: 35, zh: 39, de: 33 }],
  ] as const)('%s is within its stated error on every kind of text', (model, expected) => {
    for (const [kind, exact] of Object.entries(expected)) {
      const { tokens, error } = counter.count(SAMPLES[kind as keyof typeof SAMPLES], model);
      expect(Math.abs(tokens / exact - 1), `${kind}: ${tokens} for ${exact}`).toBeLessThan(error);
    }
  });

  it('never throws, whatever the text and the model', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.constantFrom('gpt-4', 'gpt-5', 'claude-3-opus', 'gemini-3', 'x'),
        (text, model) => {
          const { tokens } = counter.count(text, model);
          expect(Number.isSafeInteger(tokens)).toBe(true);
          expect(tokens).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });

  it('gives the same count for a text that it remembers', () => {
    const definitions = JSON.stringify({
      tools: Array.from({ length: 40 }, (_, i) => ({ name: `tool_${i}`, description: 'x y z' })),
    });
    const fresh = createTokenCounter({ remembered: 0 }).count(definitions, 'gpt-4o');
    expect(counter.count(definitions, 'gpt-4o')).toEqual(fresh);
    expect(counter.count(definitions, 'gpt-4o')).toEqual(fresh);
  });
});
