import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type ObservedCall, ObservedCallSchema } from '../../../schemas/call-event.ts';
import { type Running, scratch, start } from './harness.ts';

const folder = scratch();
const started: Running[] = [];
afterAll(() => {
  for (const { process } of started) process.kill('SIGKILL');
  folder.remove();
});

const WRAP_TO_FILE = resolve('test/collectors/stdio/wrap-to-file.ts');
const node = process.execPath;

const ECHO = folder.script(`
  process.stdin.setEncoding('utf8').on('data', (text) => {
    for (const line of text.split('\\n').filter(Boolean))
      process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(line).id, result: {} }) + '\\n');
  }).on('end', () => process.exit(0));`);

/** What wrappers wrote that ran as `command` says, after one `ping`; all of them write to one file. */
async function records(command: string[]): Promise<ObservedCall[]> {
  const file = join(folder.path, `calls-${started.length}.ndjson`);
  const [first, ...rest] = command as [string, ...string[]];
  const run = start(first, rest, {
    env: { ...process.env, TOOLMETER_HOME: folder.home, RECORD_FILE: file },
  });
  started.push(run);
  run.process.stdin?.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
  await run.until((out) => out.includes('"id":1'));
  run.process.stdin?.end();
  expect(await run.exit).toBe(0);
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => ObservedCallSchema.parse(JSON.parse(line)));
}

const wrapped = (...command: string[]): string[] => [node, WRAP_TO_FILE, '--', ...command];

test('of wrappers inside a wrapper only the outermost counts, and all name one call', async () => {
  const inner = wrapped(...wrapped(node, ECHO));
  const shell = process.platform === 'win32' ? inner : ['/bin/sh', '-c', 'exec "$@"', 'sh', ...inner];
  const calls = await records(wrapped(...shell));
  expect(calls.map(({ nested }) => nested ?? false).sort()).toEqual([false, true, true]);
  expect(new Set(calls.map(({ call_id }) => call_id)).size).toBe(1);
});

test.skipIf(process.platform !== 'linux')(
  'a server that a wrapped server starts for itself is another connection: both count',
  async () => {
    const host = folder.script(`
      import { spawn } from 'node:child_process';
      const inner = spawn(${JSON.stringify(node)}, ${JSON.stringify(wrapped(node, ECHO).slice(1))}, { stdio: 'pipe', detached: true });
      process.stdin.pipe(inner.stdin);
      inner.stdout.pipe(process.stdout);
      inner.on('exit', (code) => process.exit(code));`);
    const calls = await records(wrapped(node, host));
    expect(calls.map(({ nested }) => nested ?? false)).toEqual([false, false]);
    expect(new Set(calls.map(({ call_id }) => call_id)).size).toBe(2);
  },
);
