import { describe, expect, it } from 'vitest';
import type { Match } from '../../../processors/cost/catalog/format.ts';
import { fitOf } from '../../../processors/cost/match.ts';

describe('a clause fits a name', () => {
  it.each<[string, Match, string | null]>([
    ['gpt-4o', { equals: 'GPT-4o' }, 'exact'],
    ['gpt-4o-2024-08-06', { equals: 'gpt-4o' }, null],
    ['claude-3-5-sonnet', { starts_with: 'claude-3-5-sonnet' }, 'exact'],
    ['claude-3-5-sonnet-20241022', { starts_with: 'claude-3-5-sonnet' }, 'family'],
    ['claude-3-5-sonnet-v2@20241022', { starts_with: 'claude-3-5-sonnet' }, 'family'],
    ['claude-3-5-sonnet-latest', { starts_with: 'claude-3-5-sonnet' }, 'family'],
    ['claude-sonnet-4@20250514', { starts_with: 'claude-sonnet-4@' }, 'family'],
    ['magistral-small-latest', { starts_with: 'magistral-small-' }, 'family'],
    ['gemini-1.5-pro-002', { contains: 'gemini-1.5-pro' }, 'family'],
    ['gemini-2.5-pro-preview-05-06', { starts_with: 'gemini-2.5-pro' }, 'family'],
    ['us.anthropic.claude-3-haiku-20240307-v1:0', { contains: 'claude-3-haiku-20240307' }, 'family'],
    ['ft:gpt-4o-2024-08-06:acme::abc', { starts_with: 'ft:gpt-4o-2024-' }, 'family'],
    ['gpt-5.4-2026-03-01', { regex: '^gpt-5\\.4-\\d{4}-\\d{2}-\\d{2}$' }, 'exact'],
    ['a-b', { and: [{ starts_with: 'a-b' }, { regex: 'b$' }] }, 'exact'],
    ['a-b', { and: [{ starts_with: 'a-b' }, { regex: 'c$' }] }, null],
  ])('%s', (name, match, fit) => expect(fitOf(match, name)).toBe(fit));

  it.each<[string, Match]>([
    ['claude-sonnet-5-5', { starts_with: 'claude-sonnet-5' }],
    ['gemini-3.8-flash-lite-tts', { starts_with: 'gemini-3.8-flash' }],
    ['deepseek-r1-distill-llama-70b', { starts_with: 'deepseek-r1' }],
    ['deepseek-chat:free', { starts_with: 'deepseek-chat' }],
    ['claude-opus-4.8-fast', { starts_with: 'claude-opus-4.8' }],
    ['not-amazon.nova-pro-v1:0', { contains: 'amazon.nova-pro' }],
    ['us-gov.anthropic.claude-3-haiku-20240307-v1:0', { contains: 'claude-3-haiku-20240307' }],
    ['gpt-4o-mini', { starts_with: 'gpt-4o' }],
  ])('%s is a neighbour', (name, match) => expect(fitOf(match, name)).toBeNull());
});
