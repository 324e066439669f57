import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { silentLog } from '../../../core/log.ts';
import {
  DEFAULT_RULES,
  loadDetectRules,
  openDetectRules,
  readDetectRules,
} from '../../../processors/detect/index.ts';

const problems = (text: string): string[] => {
  const result = readDetectRules(text, 'rules.yaml');
  return result.ok ? [] : result.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);
};

it('has a rule of each kind without a file', () => {
  expect(new Set(DEFAULT_RULES.rules.map(({ kind }) => kind)).size).toBe(6);
  expect(readDetectRules(JSON.stringify(DEFAULT_RULES), 'x')).toEqual({ ok: true, rules: DEFAULT_RULES });
});

it.each([
  ['rules: []', []],
  ['', ['1 rules: expected a list; for no rules write `rules: []`']],
  ['rules:\n  - { id: a, kind: runaway_loop, cals: 3 }', ['2 rules[0].cals: is not a known key']],
  ['rules:\n  - id: a\n    kind: latency\n    burst: 3', ['4 rules[0].burst: is not a known key']],
  [
    'rules:\n  - { id: a, kind: latency }\n  - { id: A, kind: error_rate }',
    ['3 rules[1].id: is the id of the rule in line 2 too'],
  ],
  [
    'rules:\n  - { id: a, kind: latency }\n  - { id: b, kind: latency }',
    ['3 rules[1].kind: watches for the same as the rule in line 2'],
  ],
  [
    'rules:\n  - id: a\n    kind: latency\n    min_windows: 50\n    baseline_windows: 20',
    ['4 rules[0].min_windows: is more than baseline_windows: no baseline would ever be complete'],
  ],
  [
    'rules:\n  - { id: a, kind: error_rate, fire_z: 2 }',
    ['2 rules[0].resolve_z: is above fire_z: an alert would resolve while it fires'],
  ],
  [
    'rules: [{ id: a, kind: runaway_loop, window_s: 600, episode_s: 300 }]',
    ['1 rules[0].episode_s: is less than window_s: one window would be several alerts'],
  ],
  [
    'allowed_lateness_s: 900\nrules: [{ id: a, kind: spend_spike, window_s: 600 }]',
    ['2 rules[0].window_s: is less than allowed_lateness_s: the windows before would still change'],
  ],
  [
    'rules: [{ id: a, kind: first_seen, learn_s: 7200, episode_s: 3600 }]',
    ['1 rules[0].learn_s: is not less than episode_s, which is how far back a restart reads'],
  ],
  [
    'rules: [{ id: a, kind: runaway_loop, match: {} }]',
    ['1 rules[0].match: asks for nothing; leave it out for every call'],
  ],
  [
    'rules: [{ id: a, kind: spend_spike, min_usd: ten }]',
    ['1 rules[0].min_usd: expected an amount in USD such as 10 or 0.50'],
  ],
])('of %j says %j', (text, expected) => expect(problems(text)).toEqual(expected));

it('names an unknown kind', () => {
  expect(problems('rules:\n  - { id: a, kind: budget }')[0]).toMatch(/^2 rules\[0\]\.kind: /);
});

it('follows its file, and keeps the last good rules', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-rules-'));
  const file = join(folder, 'rules.yaml');
  const write = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  try {
    write('rules: [{ id: a, kind: latency }]');
    const rules = openDetectRules(file, { log: silentLog, debounceMs: 5, pollMs: 20 });
    try {
      expect(rules.current().rules.map(({ id }) => id)).toEqual(['a']);
      write('rules: [{ id: b, kind: latency, x: 1 }]');
      await vi.waitFor(() => expect(rules.status()).toMatchObject({ ok: false }), { timeout: 30_000 });
      expect(rules.status().detail).toContain('rules.yaml:1:33: rules[0].x: is not a known key');
      expect(rules.current().rules.map(({ id }) => id)).toEqual(['a']);
      write('rules: [{ id: bb, kind: latency }]');
      await vi.waitFor(() => expect(rules.status()).toMatchObject({ ok: true }), { timeout: 30_000 });
      expect(rules.current().rules.map(({ id }) => id)).toEqual(['bb']);
    } finally {
      rules.close();
    }
    expect(() => loadDetectRules(join(folder, 'none.yaml'))).toThrowError(
      expect.objectContaining({ code: 'TM_DETECT_RULES' }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
