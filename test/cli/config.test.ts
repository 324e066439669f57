import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkSettings, loadSettings } from '../../cli/settings.ts';
import { scratchFolder } from '../support/toolmeter.ts';
import { toolmeter } from './output.ts';

let folder: ReturnType<typeof scratchFolder>;
beforeEach(() => {
  folder = scratchFolder();
});
afterEach(() => {
  vi.unstubAllEnvs();
  folder.remove();
});

function write(name: string, text: string | Uint8Array): string {
  const file = join(folder.path, name);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  return file;
}

describe('config check says line and reason', () => {
  const BOM = '\uFEFF';
  const bomb = `a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n${Array.from(
    { length: 9 },
    (_, i) => `a${i + 1}: &a${i + 1} [${Array.from({ length: 10 }, () => `*a${i}`).join(', ')}]`,
  ).join('\n')}\n`;

  test.each([
    [
      'an unknown key, after a BOM',
      `${BOM}api:\n  port: 9000\n  prot: 1\n`,
      [':3:3: api.prot: is not a known key'],
    ],
    ['a tab', 'log:\n\tbrokers: []\n', [':2:1: Tabs are not allowed as indentation']],
    ['an octal', 'api:\n  port: 010\n', [':2:3: api.port: ']],
    ['a hexadecimal', 'api:\n  port: 0x1F\n', [':2:3: api.port: ']],
    ['yes, which is no boolean', 'log:\n  ssl: yes\n', [':2:3: log.ssl: ']],
    [
      'a key twice',
      'api: { port: 1 }\napi: { port: 2 }\n',
      [':2:1: api: is a duplicate of the key in line 1'],
    ],
    ['an alias without an anchor', 'log:\n  brokers: *x\n', [':2:12: log.brokers: is an alias of an anchor']],
    [
      'a merge',
      'store: &s { url: "http://x" }\nlog: { <<: *s }\n',
      [':2:8: log.<<: merge keys are not read'],
    ],
    ['a billion laughs', bomb, ['aliases (*name) repeat too many values']],
    [
      'two documents',
      'api: { port: 1 }\n---\napi: { port: 2 }\n',
      [':2:1: the file holds more than one document'],
    ],
    [
      'one server twice',
      'counting:\n  servers:\n    Docs: {}\n    docs: {}\n',
      [':4:5: counting.servers.docs: is the same name'],
    ],
    ['UTF-16', Buffer.from('\uFEFFapi:', 'utf16le'), ['the file is UTF-16; save it as UTF-8']],
    [
      'all of them',
      'api:\n  port: x\nlog:\n  partitions: 0\n',
      [':2:3: api.port: ', ':4:3: log.partitions: '],
    ],
  ])('%s', async (_, text, told) => {
    const file = write('toolmeter.yaml', text);
    const { status, stdout, stderr } = await toolmeter('config', 'check', file);
    expect([status, stdout]).toEqual([1, '']);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(told.length);
    for (const [i, part] of told.entries()) {
      expect(lines[i]).toContain(part);
      expect(lines[i]?.startsWith(`${file}:`)).toBe(true);
    }
  });

  test('a secret in the wrong place is told, and not shown', async () => {
    const file = write('c.yaml', 'store:\n  password: hunter2\n');
    const { status, stderr } = await toolmeter('config', 'check', file);
    expect(status).toBe(1);
    expect(stderr).toContain(':2:3: store.password: ');
    expect(stderr).not.toContain('hunter2');
  });

  test('what stands there as text is text: no, 07, 1e3, a date', () => {
    const file = write('c.yaml', 'api: { host: no, allowed_hosts: [07, 1e3, 2026-01-01, null] }\n');
    const { api } = loadSettings(file, {}).config;
    expect([api.host, ...api.allowed_hosts]).toEqual(['no', '07', '1e3', '2026-01-01', 'null']);
  });

  test('the environment wins, and its mistakes are named', () => {
    const file = write('c.yaml', 'api: { port: 1 }\n');
    expect(loadSettings(file, { TOOLMETER_API_PORT: '2' }).config.api.port).toBe(2);
    const fromKubernetes = { TOOLMETER_API_PORT: 'tcp://10.0.0.1:7077' };
    expect(loadSettings(file, fromKubernetes).config.api.port).toBe(loadSettings(file, {}).config.api.port);
    expect(loadSettings(file, { KAFKA_BROKERS: 'a:1, b:2' }).config.log.brokers).toEqual(['a:1', 'b:2']);
    for (const value of ['x', '70000'])
      expect(checkSettings(file, { TOOLMETER_API_PORT: value })).toEqual({
        problems: [{ where: 'environment, TOOLMETER_API_PORT', message: expect.any(String) }],
      });
  });

  test.each([
    ['whole', { TOOLMETER_LOG_SASL: '{"mechanism":"plain","username":"u","password":{"file":"/p"}}' }],
    [
      'key by key, as collectors read it',
      {
        TOOLMETER_LOG_SASL_MECHANISM: 'plain',
        TOOLMETER_LOG_SASL_USERNAME: 'u',
        TOOLMETER_LOG_SASL_PASSWORD_FILE: '/p',
      },
    ],
    [
      'both: the key wins',
      {
        TOOLMETER_LOG_SASL: '{"mechanism":"plain","username":"x","password":{"file":"/p"}}',
        TOOLMETER_LOG_SASL_USERNAME: 'u',
      },
    ],
  ])('SASL by the environment, %s', (_, env) => {
    expect(loadSettings(null, env).config.log.sasl).toEqual({
      mechanism: 'plain',
      username: 'u',
      password: { file: '/p' },
    });
  });

  test('a secret by the environment, which names where it is', () => {
    expect(loadSettings(null, { TOOLMETER_STORE_PASSWORD_ENV: 'P' }).config.store.password).toEqual({
      env: 'P',
    });
    expect(loadSettings(null, { TOOLMETER_STORE_PASSWORD: '{"env":"P"}' }).config.store.password).toEqual({
      env: 'P',
    });
    expect(checkSettings(null, { TOOLMETER_STORE_PASSWORD: 'hunter2' })).toEqual({
      problems: [{ where: 'environment, TOOLMETER_STORE_PASSWORD', message: 'expected JSON' }],
    });
  });

  test('also of the files that it names, which lie beside it wherever one stands', async () => {
    const file = write('etc/toolmeter.yaml', 'directory: teams.yaml\nprices: [prices.yaml]\n');
    const teams = write(
      'etc/teams.yaml',
      'rules:\n  - { id: a, when: any, team: x }\n  - { id: a, when: any, team: y }\n',
    );
    const { status, stderr } = await toolmeter('config', 'check', file);
    expect(status).toBe(1);
    expect(stderr).toContain(`${teams}:3:`);
    expect(stderr).toContain('is the id of the rule in line 2 too');
    expect(stderr).toContain(`${join(folder.path, 'etc', 'prices.yaml')}: ENOENT`);
    write('etc/teams.yaml', 'rules:\n  - { id: a, when: any, team: no }\n');
    write('etc/prices.yaml', '');
    expect(await toolmeter('config', 'check', file)).toEqual({
      status: 0,
      stdout: `${file}: valid.\n`,
      stderr: '',
    });
  });

  test('a file that is not there; none at all', async () => {
    const none = join(folder.path, 'none.yaml');
    expect(await toolmeter('config', 'check', none)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(none),
    });
    vi.spyOn(process, 'cwd').mockReturnValue(folder.path);
    expect((await toolmeter('config', 'check')).status).toBe(0);
  });

  test('a command that needs it says the same, in its one line', async () => {
    const file = write('c.yaml', 'api: { prot: 1 }\n');
    const { status, stderr } = await toolmeter('up', '--config', file, '--home', join(folder.path, 'home'));
    expect(status).toBe(2);
    expect(stderr).toBe(
      `toolmeter up: The configuration is not valid. ${file}:1:8: api.prot: is not a known key. See docs/configuration.md. (TM_CONFIG)\n`,
    );
  });
});
