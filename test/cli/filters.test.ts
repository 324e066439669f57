import { describe, expect, it } from 'vitest';
import { inCodePoints, scrubLine } from '../../cli/scrub.ts';
import { run as runTokens, tokensLine } from '../../cli/tokens.ts';
import { createScrubber } from '../../processors/scrub/index.ts';
import { createTokenCounter } from '../../processors/tokens/index.ts';

const scrubber = createScrubber({ key: { kid: 'k1', secret: new Uint8Array(32).fill(7) } });
const counter = createTokenCounter();

describe('toolmeter scrub', () => {
  it('answers text with findings whose offsets are code points', () => {
    const answer = scrubLine({ id: 'a', text: '😀😀 ada@example.org' }, scrubber);
    expect(answer).toEqual({
      id: 'a',
      findings: [{ type: 'email', start: 3, end: 18, detector: 'email' }],
      text: expect.stringMatching(/^😀😀 <email:[a-z2-7]{16}>$/u),
    });
  });

  it('answers JSON with offsets into the JSON text', () => {
    const json = '{"a":"\\ud83d\\ude00","card":4111111111111111}';
    const answer = scrubLine({ id: 7, json }, scrubber) as {
      findings: { start: number; end: number }[];
      text: string;
    };
    expect(json.slice(answer.findings[0]?.start, answer.findings[0]?.end)).toBe('4111111111111111');
    expect(JSON.parse(answer.text)).toMatchObject({ card: expect.stringMatching(/^<card:/) });
  });

  it('counts a surrogate pair as one, and a lone surrogate as one', () => {
    const finding = { type: 'x', detector: 'x', start: 3, end: 4 };
    expect(inCodePoints('😀\ud800ab', [finding])).toEqual([{ ...finding, start: 2, end: 3 }]);
  });

  it.each([[null], [{}], [{ id: 1, text: 7 }], ['text'], [[]]])('refuses %j', (line) => {
    expect(() => scrubLine(line, scrubber)).toThrowError(expect.objectContaining({ code: 'TM_SCRUB_INPUT' }));
  });
});

describe('toolmeter tokens', () => {
  it('answers a count, by what, and how far it may be off', () => {
    expect(tokensLine({ id: 1, text: 'hello world' }, 'gpt-4o', counter)).toEqual({
      id: 1,
      tokens: 2,
      tokenizer: 'o200k_base',
      basis: 'metered',
      error: 0,
    });
  });

  it('answers a line without an id', () => {
    expect(tokensLine({ text: 'hello world' }, 'gpt-4o', counter)).toMatchObject({ tokens: 2 });
    expect(tokensLine({ text: '' }, 'gpt-4o', counter)).not.toHaveProperty('id');
  });

  it('refuses a line of another shape, and a run without a model', async () => {
    expect(() => tokensLine({ id: 1 }, 'gpt-4o', counter)).toThrowError(
      expect.objectContaining({ code: 'TM_TOKENS_INPUT' }),
    );
    await expect(runTokens([])).rejects.toMatchObject({ code: 'TM_TOKENS_MODEL' });
  });
});
