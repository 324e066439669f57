import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openOwnCollectors } from '../../api/auth/collectors.ts';
import { openApiKeys } from '../../api/auth/keys.ts';
import { openHome } from '../../core/home.ts';
import { scratchFolder } from '../support/toolmeter.ts';
import { toolmeter } from './output.ts';

let folder: ReturnType<typeof scratchFolder>;
let home: string;
beforeEach(() => {
  folder = scratchFolder();
  home = join(folder.path, 'home');
});
afterEach(() => folder.remove());

test('a key is made, shown once, listed without itself, and revoked', async () => {
  const made = await toolmeter(
    ...['keys', 'create', '--name', 'close of month', '--role', 'finance', '--home', home],
    ...['--team', 'search', '--team', 'ads, all', '--expires', '2999-01-31'],
  );
  const key = made.stdout.trim();
  expect(made).toEqual({ status: 0, stdout: `${key}\n`, stderr: '' });
  expect(openApiKeys(home).authenticate(key)).toMatchObject({
    role: 'finance',
    teams: ['search', 'ads, all'],
  });
  expect(readFileSync(join(home, 'api-keys.json'), 'utf8')).not.toContain(key.split('_')[2]);

  const id = key.split('_')[1] as string;
  const { stdout } = await toolmeter('keys', 'list', '--home', home);
  const line = stdout.split('\n').find((text) => text.startsWith(id)) ?? '';
  expect(line.split(/\s{2,}/)).toEqual([
    ...[id, 'close of month', 'finance', 'search, ads, all'],
    ...[expect.stringMatching(/^20/), '2999-01-31T00:00:00.000Z'],
  ]);
  expect(stdout).not.toContain(key.split('_')[2]);

  expect((await toolmeter('keys', 'revoke', id, '--home', home)).stdout).toBe(`${id} is revoked.\n`);
  expect(openApiKeys(home).authenticate(key)).toBeNull();
  const again = await toolmeter('keys', 'revoke', id, '--home', home);
  expect([again.status, again.stderr]).toEqual([2, expect.stringContaining('TM_API_KEY_UNKNOWN')]);
});

test('a collector token is made, trusted only where asked, and revoked', async () => {
  for (const trusted of [false, true]) {
    const made = await toolmeter(
      ...[
        'keys',
        'create',
        '--collector',
        '--name',
        'edge',
        '--home',
        home,
        ...(trusted ? ['--trusted'] : []),
      ],
    );
    const token = made.stdout.trim();
    const id = token.split('_')[1] as string;
    const authenticate = () => openOwnCollectors(openHome(home, {})).authenticate(token);
    expect(authenticate()).toEqual({ collector: id, trusted });
    const { stdout } = await toolmeter('keys', 'list', '--home', home);
    expect(stdout).toMatch(new RegExp(`^${id}  edge +${trusted ? 'post, trusted' : 'post  '}`, 'm'));
    await toolmeter('keys', 'revoke', id, '--home', home);
    expect(authenticate()).toBeNull();
  }
});
