import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-home-'));
  writeFileSync(join(folder, 'file'), '');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SERVER = fileURLToPath(new URL('stdio-server.ts', import.meta.url));

/** A metered server's answers to an `initialize` and two calls, and its standard error. */
function session(env: NodeJS.ProcessEnv): Promise<{ out: string; err: string }> {
  const child = spawn(process.execPath, [SERVER, 'v1'], {
    env: { ...process.env, NODE_NO_WARNINGS: '0', TOOLMETER_URL: 'http://127.0.0.1:9', ...env },
  });
  const say = (message: object): void => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  };
  const call = (id: number): void =>
    say({ id, method: 'tools/call', params: { name: 'echo', arguments: { text: 'x' } } });
  let out = '';
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    const before = out;
    out += chunk.toString();
    const first = (id: number): boolean => out.includes(`"id":${id}`) && !before.includes(`"id":${id}`);
    if (first(0)) call(1);
    if (first(1)) setTimeout(call, 200, 2);
    if (first(2)) setTimeout(() => child.kill('SIGKILL'), 200);
  });
  const clientInfo = { name: 'c', version: '1' };
  say({
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  return new Promise((resolve) => {
    child.once('close', () => {
      clearTimeout(timer);
      resolve({ out, err });
    });
  });
}

/** The last is a file system that answers ENOENT to every new folder. */
test.each([
  ['is a file', 'file'],
  ['lies under a file', 'file/home'],
  ...(process.platform === 'linux' ? [['cannot be made', '/proc/toolmeter-home']] : []),
])(
  'a home that %s: the server works unmetered, and one warning says what to do',
  {
    timeout: 60_000,
  },
  async (_, home) => {
    for (const inside of [{}, { TOOLMETER_WRAP_NONCE: 'n-1-x' }]) {
      const { out, err } = await session({
        TOOLMETER_HOME: home!.startsWith('/') ? home! : join(folder, home!),
        ...inside,
      });
      expect(out.trim().split('\n')).toHaveLength(3);
      expect(err.match(/Warning/g)).toHaveLength(1);
      expect(err).toMatch(
        /\[TM_HOME\] Warning: Toolmeter could not .* can't be used: .*Set TOOLMETER_HOME to/,
      );
    }
  },
);
