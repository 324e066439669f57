import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { formatUsd, parseUsd } from '../../core/money.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(`${root}README.md`, 'utf8');
const commands = [...readme.matchAll(/```sh\n([^`]+)```/g)].map((match) => (match[1] as string).trim());
const scripts = (
  JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { scripts: Record<string, string> }
).scripts;

describe('the README', () => {
  it('names the two commands, and they are scripts of the package', () => {
    expect(commands).toContain('npm ci && npm start');
    expect(commands).toContain('npm ci && npm test');
    expect(scripts.start).toBe('node cli/main.ts up --demo');
    expect(readFileSync(`${root}.ci/run`, 'utf8')).toContain('npm test');
  });

  it('starts: real traffic of three teams becomes their spend', async () => {
    const { stdout } = await promisify(execFile)('npm', ['start', '--silent', '--', '--exit'], {
      cwd: root,
      env: { ...process.env, TOOLMETER_API_PORT: '0', NODE_OPTIONS: '' },
      timeout: 60_000,
    });
    const rows = stdout
      .split('\n')
      .map((line) => line.trim().split(/\s{2,}/))
      .filter((cells) => ['Support', 'Search', 'Growth', 'Total'].includes(cells[0] ?? ''));
    expect(rows.map((cells) => cells[0]).sort()).toEqual(['Growth', 'Search', 'Support', 'Total']);
    const usd = (cells: readonly string[]): bigint => parseUsd(cells.at(-2) as string) ?? -1n;
    const total = rows.find((cells) => cells[0] === 'Total') as string[];
    const teams = rows.filter((cells) => cells[0] !== 'Total');
    for (const team of teams) expect(usd(team)).toBeGreaterThan(0n);
    expect(formatUsd(teams.reduce((sum, team) => sum + usd(team), 0n))).toBe(formatUsd(usd(total)));
    expect(stdout).toMatch(/From start to table: \d+(\.\d+)? s/);
  });
});
