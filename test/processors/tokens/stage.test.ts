import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../core/log.ts';
import { rowOf } from '../../../processors/row.ts';
import { createTokenCounter } from '../../../processors/tokens/index.ts';
import { tokensStage } from '../../../processors/tokens/stage.ts';
import type { Content, ObservedCall } from '../../../schemas/call-event.ts';
import type { MeteredCall } from '../../../schemas/metered-call.ts';
import type { RawRecord } from '../../../schemas/record.ts';
import { observedCall } from '../../support/events.ts';

const counter = createTokenCounter();
const stage = tokensStage(counter);

function metered(overrides: Partial<ObservedCall>, trusted = true): MeteredCall {
  const event = observedCall({ model: { name: 'gpt-4o', source: 'reported' }, ...overrides });
  const record = { trusted } as RawRecord;
  const row = rowOf(event, record, 1n);
  stage.run([{ event, row, record, rawOffset: 1n, appendedAtMs: 0 }], { log: silentLog });
  return row;
}

const captured = (value: unknown): Content => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return { state: 'captured', bytes: Buffer.byteLength(text), text, source: 'wire' };
};
const count = (text: string): number => counter.count(text, 'gpt-4o').tokens;

describe('tokensStage', () => {
  it('counts arguments as the JSON that the model wrote, and results as the text that it reads', () => {
    const row = metered({
      arguments: captured('{"city":"Paris"}'),
      result: captured({ content: [{ type: 'text', text: 'It is sunny in Paris.' }] }),
    });
    expect(row).toMatchObject({
      tokens_arguments: count('{"city":"Paris"}'),
      tokens_result: count('It is sunny in Paris.'),
      tokens_definitions: 0,
      tokens_basis: 'metered',
      tokenizer: 'o200k_base',
    });
  });

  it('does not count structured content twice, and counts it where it stands alone', () => {
    const structuredContent = { temperature: 21, sky: 'clear' };
    const text = JSON.stringify(structuredContent);
    expect(
      metered({ result: captured({ content: [{ type: 'text', text }], structuredContent }) }).tokens_result,
    ).toBe(count(text));
    expect(metered({ result: captured({ content: [], structuredContent }) }).tokens_result).toBe(count(text));
  });

  it('counts no image or sound, and counts embedded resources', () => {
    const row = metered({
      result: captured({
        content: [
          { type: 'image', data: '<media:image/png 40000 bytes>', mimeType: 'image/png' },
          { type: 'resource', resource: { uri: 'file:///a', text: 'hello world' } },
        ],
      }),
    });
    expect(row.tokens_result).toBe(2);
  });

  it('counts a list of tools once, as definitions: what a model is given of them', () => {
    const tool = { name: 'echo', description: 'Says it again', inputSchema: { type: 'object' } };
    const row = metered({
      method: 'tools/list',
      arguments: captured('{}'),
      result: captured({
        tools: [{ ...tool, annotations: { readOnlyHint: true }, outputSchema: { type: 'object' } }],
      }),
    });
    expect(row).toMatchObject({
      tokens_arguments: 0,
      tokens_result: 0,
      tokens_definitions: count(JSON.stringify(tool)),
    });
  });

  it('counts nothing for methods that no model sees', () => {
    const row = metered({
      method: 'initialize',
      arguments: captured('{"a":1}'),
      result: captured('{"b":2}'),
    });
    expect(row).toMatchObject({ tokens_arguments: 0, tokens_result: 0, tokens_basis: 'none', tokenizer: '' });
  });

  it('counts cut text by what its bytes say of the rest, and says that it estimates', () => {
    const whole = 'The quick brown fox. '.repeat(400);
    const json = JSON.stringify({ content: [{ type: 'text', text: whole }] });
    const kept = json.slice(0, 1000);
    const row = metered({
      result: { state: 'truncated', bytes: Buffer.byteLength(json), text: kept, source: 'wire' },
    });
    expect(row.tokens_basis).toBe('estimated');
    expect(Math.abs(row.tokens_result / count(whole) - 1)).toBeLessThan(0.1);
  });

  it('estimates what was left out by its size alone', () => {
    const row = metered({ arguments: captured('{}'), result: { state: 'omitted', bytes: 3300 } });
    expect(row).toMatchObject({ tokens_result: 1000, tokens_basis: 'estimated', tokenizer: 'o200k_base' });
  });

  it('counts what the model saw, not our pseudonyms', () => {
    const row = metered({
      result: captured({ content: [{ type: 'text', text: 'Write to <email:abcdefghijklmn23> now' }] }),
    });
    expect(row.tokens_basis).toBe('estimated');
    expect(row.tokens_result).toBe(count('Write to maria.schmidt@example.com now'));
  });

  it('lets reported usage of a trusted collector win, and nobody else', () => {
    const usage = { input: 100, cache_read: 20, output: 7, reasoning: 3 };
    expect(metered({ usage })).toMatchObject({
      tokens_arguments: 10,
      tokens_result: 120,
      tokens_basis: 'reported',
    });
    expect(metered({ usage }, false).tokens_basis).toBe('metered');
  });

  it('estimates for an unknown model', () => {
    const event = observedCall();
    const row = metered({ ...event, model: undefined });
    expect(row).toMatchObject({ tokens_basis: 'estimated', tokenizer: 'estimate:o200k_base' });
  });
});
