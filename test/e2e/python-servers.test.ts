import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { findPython, type PythonEnvironment } from '../support/python.ts';
import { compare } from './conformance-compare.ts';
import { type Step, tool } from './conformance-session.ts';

const folder = mkdtempSync(join(tmpdir(), 'toolmeter-python-'));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

/** The interpreter, or null with a reason on standard error; in CI a missing Python is a failure. */
async function interpreter(environment: PythonEnvironment): Promise<string | null> {
  const found = await findPython(environment);
  if ('interpreter' in found) return found.interpreter;
  const text = `Python servers are NOT tested (${environment}): ${found.missing}`;
  if (process.env.CI === 'true') throw new Error(text);
  console.error(`\n*** ${text} ***\n`);
  return null;
}

const STEPS: Step[] = [
  ['ping'],
  ['listTools'],
  tool('add', { a: 0.1, b: 2 }),
  tool('add', { a: 'one' }),
  tool('repeat', { text: 'aé😀\u2028', times: 50_000 }),
  tool('fail'),
  tool('none'),
  tool('work', { steps: 4 }, { progress: true }),
  tool('sleep', { seconds: 5 }, { cancelAfterMs: 150 }),
  tool('add', { a: 1, b: 2 }),
  ['listResourceTemplates'],
  ['readResource', { uri: 'note://me' }],
  ['readResource', { uri: 'other://me' }],
  ['listPrompts'],
  ['getPrompt', { name: 'greet', arguments: { who: 'Ada' } }],
];

const pythons = { 'mcp-1': await interpreter('mcp-1'), 'mcp-2': await interpreter('mcp-2') };

describe.each(['mcp-1', 'mcp-2'] as const)('the Python SDK, %s', (environment) => {
  const python = pythons[environment];
  test.skipIf(python === null).each(['v1', 'v2'] as const)(
    'a server of ours, to a client of SDK %s',
    async (sdk) => {
      const server = { command: python as string, args: [resolve('test/support/python-server.py')] };
      const session = await compare(folder, sdk, () => ({ server, steps: STEPS }));
      expect(session.stderr).toContain('diagnostics é');
      expect(session.unasked.map(({ method }) => method)).toContain('notifications/progress');
    },
  );
});

describe('mcp-server-time', () => {
  const python = pythons['mcp-2'];
  test.skipIf(python === null).each(['v1', 'v2'] as const)('to a client of SDK %s', async (sdk) => {
    const server = {
      command: python as string,
      args: ['-m', 'mcp_server_time', '--local-timezone=Europe/Vienna'],
    };
    const steps: Step[] = [
      ['listTools'],
      tool('get_current_time', { timezone: 'Asia/Tokyo' }),
      tool('get_current_time', { timezone: 'Nowhere/At_All' }),
      tool('convert_time', {
        source_timezone: 'Europe/Vienna',
        time: '16:30',
        target_timezone: 'Asia/Kolkata',
      }),
      tool('convert_time', {}),
    ];
    await compare(folder, sdk, () => ({ server, steps }));
  });
});
