import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEMO_MARK } from '../../cli/demo/traffic.ts';
import { scratchFolder } from '../support/toolmeter.ts';
import { toolmeter } from './output.ts';

let folder: ReturnType<typeof scratchFolder>;
beforeEach(() => {
  folder = scratchFolder();
});
afterEach(() => folder.remove());

test('the demonstration, which starts afresh, removes nothing that is not its own', async () => {
  const file = join(folder.path, 'thesis.tex');
  writeFileSync(file, 'the only copy');
  const { status, stderr } = await toolmeter('up', '--demo', '--exit', '--home', folder.path);
  expect([status, stderr]).toEqual([2, expect.stringContaining('TM_DEMO_HOME')]);
  expect(readFileSync(file, 'utf8')).toBe('the only copy');
});

test('nor what is its own while another process runs it', async () => {
  const directory = join(folder.path, 'directory.yaml');
  writeFileSync(directory, `${DEMO_MARK}\nrules: []\n`);
  mkdirSync(join(folder.path, 'store'));
  // As the engine writes it; the parent of this process is surely alive.
  writeFileSync(
    join(folder.path, 'store', 'status'),
    `PID: ${process.ppid}\nStarted at: 2026-01-01 00:00:00\n`,
  );
  const { status, stderr } = await toolmeter('up', '--demo', '--exit', '--home', folder.path);
  expect([status, stderr]).toEqual([
    2,
    expect.stringMatching(/still running, as process \d+\. .*TM_STORE_IN_USE/),
  ]);
  expect(existsSync(directory)).toBe(true);
});
