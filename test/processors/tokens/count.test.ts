import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { familyOf } from '../../../processors/tokens/families.ts';
import { createTokenCounter } from '../../../processors/tokens/index.ts';

const counter = createTokenCounter();
const tokenizer = (model: string): string => {
  const family = familyOf(model);
  return family.kind === 'exact' ? family.encoding : family.estimator.name;
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

  it.each([
    // Tokens by the published tokenizers, without a beginning-of-text token.
    ['gemini-2.5-pro', 'SAMPLE_EN', 47],
  ])('%s is within its stated error on %s', (model, _name, expected) => {
    const text =
      'Toolmeter answers, for every call that an AI agent makes to an MCP server: who called what, on behalf of which team, what it cost, whether it leaked personal data, and whether it was normal.';
    const { tokens, error } = counter.count(text, model);
    expect(Math.abs(tokens / expected - 1)).toBeLessThan(error);
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
