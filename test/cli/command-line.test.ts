import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { MAIN, scratchFolder } from '../support/toolmeter.ts';
import { toolmeter } from './output.ts';

let folder: ReturnType<typeof scratchFolder>;
beforeAll(() => {
  folder = scratchFolder();
});
afterAll(() => folder.remove());
beforeEach(() => void vi.stubEnv('TOOLMETER_HOME', join(folder.path, 'home')));
afterEach(() => {
  vi.unstubAllEnvs();
  // What is refused, or only explained, makes nothing.
  expect(existsSync(join(folder.path, 'home'))).toBe(false);
});

const COMMANDS = [
  ...['up', 'wrap', 'process', 'api', 'store', 'migrate', 'demo', 'doctor', 'dlq', 'config', 'keys'],
  ...['scrub', 'tokens', 'price'],
];

describe('bad usage is one sentence on standard error and exit code 2', () => {
  test.each(COMMANDS.map((name) => [name]))('%s --nope', async (name) => {
    const { status, stdout, stderr } = await toolmeter(name, '--nope');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(new RegExp(`^toolmeter ${name}: .*--nope.*\\.\\n$`));
  });

  test.each([
    [['nothing'], /^toolmeter: there is no command "nothing"; toolmeter --help lists them\.\n$/],
    [['up', 'now'], /nothing is known of "now"/],
    [['api', '--config'], /'--config <value>' argument missing/],
    [['doctor', '--config', '--home', 'x'], /'--config' argument is ambiguous; toolmeter doctor --help/],
    [['process', '--only', 'http'], /--only takes processor or store, not "http"/],
    [['config'], /check what\?/],
    [['config', 'show'], /there is no "show"/],
    [['config', 'check', 'a', 'b'], /nothing is known of "b"/],
    [['dlq'], /list or replay\?/],
    [['dlq', 'drop'], /there is no "drop"/],
    [['dlq', 'replay'], /replay which\?/],
    [['dlq', 'replay', '0:1'], /nothing is known of "0:1"/],
    [['keys'], /create, list or revoke\?/],
    [['keys', 'create', '--role', 'admin'], /a key needs a --name/],
    [['keys', 'create', '--name', 'x'], /--role takes one of admin, finance, security, sre, viewer/],
    [['keys', 'create', '--name', 'x', '--role', 'root'], /--role takes one of/],
    [['keys', 'create', '--name', 'x', '--role', 'sre', '--expires', 'soon'], /--expires takes a day/],
    [['keys', 'create', '--name', 'x', '--role', 'sre', '--expires', '2020-01-01'], /is in the past/],
    [['keys', 'create', '--name', 'x', '--role', 'sre', '--trusted'], /--trusted is for a --collector/],
    [['keys', 'create', '--collector', '--name', 'x', '--team', 'y'], /has no --role, --team/],
    [['keys', 'create', '--collector'], /a collector token needs a --name/],
    [['keys', 'list', 'all'], /nothing is known of "all"/],
    [['keys', 'revoke'], /revoke which\?/],
    [['demo', '--url', 'here'], /--url takes an address such as/],
    [['demo', '--url', 'http://127.0.0.1:9'], /No Toolmeter answers at .*TM_UNREACHABLE/],
    [['tokens'], /TM_TOKENS_MODEL/],
  ] as const)('%j', async (args, told) => {
    const { status, stdout, stderr } = await toolmeter(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(told);
    expect(stderr.split('\n')).toHaveLength(2);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

test.each(COMMANDS.map((name) => [name]))('%s --help is its usage, and nothing is done', async (name) => {
  const { status, stdout, stderr } = await toolmeter(name, '--help');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(new RegExp(`^Usage: toolmeter ${name} `));
});

test('without a command, and with --help: all commands', async () => {
  for (const [args, code] of [
    [[], 2],
    [['--help'], 0],
    [['help'], 0],
  ] as const) {
    const { status, stdout } = await toolmeter(...args);
    expect(status).toBe(code);
    for (const name of COMMANDS) expect(stdout).toContain(`\n  ${name} `);
  }
  expect((await toolmeter('--version')).stdout).toMatch(/^\d+\.\d+\.\d+/);
});

test("as a process: the exit code is the command's", () => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'keys', 'create', '--nope'], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([
    2,
    "toolmeter keys: Unknown option '--nope'; toolmeter keys --help tells more.\n",
  ]);
});
