import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Log, silentLog } from '../../core/log.ts';
import { openDirectory } from '../../processors/attribute/index.ts';
import { openCatalog } from '../../processors/cost/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-reload-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const directory = (team: string): string => `rules: [ { id: all, when: any, team: ${team} } ]`;
const subject = {
  caller: '',
  caller_source: 'none',
  caller_verified: false,
  acting_as: '',
  collector: '',
  server: 's',
  tool: 't',
  client: '',
  ip: '',
  tags: {},
} as const;

it('follows its file, keeps the last good one while it is bad, and says so', async () => {
  const file = join(folder, 'directory.yaml');
  writeFileSync(file, directory('red'));
  const errors: string[] = [];
  const log: Log = { ...silentLog, error: (_fields, message) => errors.push(message) };
  const open = openDirectory(file, { log, debounceMs: 10, pollMs: 100 });
  try {
    const team = (): string => open.current().attribute(subject, 0).team;
    expect([team(), open.status().ok]).toEqual(['red', true]);

    writeFileSync(file, directory('blue'));
    await vi.waitFor(() => expect(team()).toBe('blue'), { timeout: 5000 });

    writeFileSync(file, 'rules: [ { id: all, wen: any } ]');
    await vi.waitFor(() => expect(open.status().ok).toBe(false), { timeout: 5000 });
    expect(team()).toBe('blue');
    expect(open.status().detail).toMatch(/directory\.yaml:1:\d+: rules\[0\]\.wen: is not a known key/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(errors).toHaveLength(1);
    expect(open.counts()).toEqual({ loaded: 2, failed: 1 });

    rmSync(file);
    await vi.waitFor(() => expect(open.counts().failed).toBe(2), { timeout: 5000 });
    expect(team()).toBe('blue');

    writeFileSync(`${file}.new`, directory('green'));
    renameSync(`${file}.new`, file);
    await vi.waitFor(() => expect([team(), open.status().ok]).toEqual(['green', true]), { timeout: 5000 });
  } finally {
    open.close();
  }
});

it('is found by looking where no change is told', async () => {
  const file = join(folder, 'prices.yaml');
  const prices = (input: number): string =>
    `models: [ { model: m, usd_per_million_tokens: { input: ${input} } } ]`;
  writeFileSync(file, prices(1));
  const open = openCatalog([file], { log: silentLog, debounceMs: 60_000, pollMs: 20 });
  try {
    writeFileSync(file, prices(2.5));
    await vi.waitFor(() => expect(open.counts().loaded).toBe(2), { timeout: 5000 });
    expect(open.current().priceOf('m', 0)?.price.rates.get('input')?.base.unitPriceUsd).toBe('0.0000025');
  } finally {
    open.close();
  }
});

it('a file that is bad or missing at the start is an error with its lines', () => {
  const file = join(folder, 'directory.yaml');
  expect(() => openDirectory(file, { log: silentLog })).toThrow(
    expect.objectContaining({ code: 'TM_DIRECTORY' }),
  );
  writeFileSync(file, 'rules:\n  - id: a\n');
  expect(() => openDirectory(file, { log: silentLog })).toThrow(/directory\.yaml:2:5: rules\[0\]/);
  expect(() => openCatalog([join(folder, 'none.yaml')], { log: silentLog })).toThrow(
    expect.objectContaining({ code: 'TM_PRICES' }),
  );
});

it('without a file there is nobody, and nothing is wrong', () => {
  const open = openDirectory(undefined, { log: silentLog });
  expect(open.current().attribute(subject, 0).team).toBe('');
  expect(open.status()).toMatchObject({ ok: true, detail: 'no file is configured' });
  open.close();
});
