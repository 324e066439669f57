import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';

/**
 * The conformance suite speaks HTTP only. So it meets a server over HTTP without and with `meter()` in it, and a
 * server over stdio, through one and the same bridge, without and with `toolmeter wrap` before it.
 */
const SUITE = resolve('node_modules/@modelcontextprotocol/conformance/dist/index.js');
const SERVER = resolve('test/support/conformance-server.ts');
const BRIDGE = resolve('test/support/conformance-bridge.ts');
const WRAP = resolve('cli/wrap.ts');

const folder = mkdtempSync(join(tmpdir(), 'toolmeter-conformance-'));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

interface Run {
  /** Each check that the suite made: scenario, check and status. */
  readonly results: Record<string, string>;
  /** Whether calls were recorded: the server, or what stands before it, has made a spool. */
  readonly metered: boolean;
}

let runs = 0;

/** Starts a server that prints its URL, runs every server scenario against it, and ends it. */
async function run(args: string[], env: Record<string, string> = {}): Promise<Run> {
  const output = join(folder, `run-${++runs}`);
  const home = join(output, 'home');
  const server = spawn(process.execPath, args, {
    env: { ...process.env, TOOLMETER_HOME: home, TOOLMETER_URL: 'http://127.0.0.1:9', ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const checks = join(output, 'checks');
  try {
    const url = await new Promise<string>((done, fail) => {
      server.stdout.once('data', (chunk: Buffer) => done(chunk.toString().trim()));
      server.once('exit', (code) => fail(new Error(`the server ended with ${code}`)));
    });
    // Its exit code is 1 where a check failed; what failed is in the files.
    await promisify(execFile)(
      process.execPath,
      [SUITE, 'server', '--url', url, '--suite', 'all', '-o', checks],
      {
        cwd: folder,
        maxBuffer: 64 * 1024 * 1024,
      },
    ).catch((error: { code?: number }) => {
      if (error.code !== 1) throw error;
    });
    return { results: read(checks), metered: existsSync(join(home, 'spools')) };
  } finally {
    server.kill();
  }
}

function read(output: string): Run['results'] {
  const found: Run['results'] = {};
  for (const name of readdirSync(output)) {
    const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    const checks = JSON.parse(readFileSync(join(output, name, 'checks.json'), 'utf8')) as {
      id: string;
      status: string;
      errorMessage?: string;
    }[];
    // Requests and responses are listed too, as INFO with the times of the run.
    for (const { id, status, errorMessage } of checks) {
      if (status !== 'INFO') found[`${scenario} ${id}`] = `${status} ${errorMessage ?? ''}`.trim();
    }
  }
  return found;
}

const failures = ({ results }: Run): string[] =>
  Object.entries(results).flatMap(([id, status]) => (status.startsWith('FAILURE') ? [id] : []));

describe('the conformance suite gives the same result', { timeout: 600_000 }, () => {
  test('with meter() in an HTTP server', async () => {
    const bare = await run([SERVER, 'http']);
    const metered = await run([SERVER, 'http'], { METER: '1' });
    expect(Object.keys(bare.results).length).toBeGreaterThanOrEqual(44);
    expect(failures(bare)).toEqual([]);
    expect(metered.results).toEqual(bare.results);
    expect([bare.metered, metered.metered]).toEqual([false, true]);
  });

  test('with toolmeter wrap before a stdio server', async () => {
    const server = [process.execPath, SERVER, 'stdio'];
    const bare = await run([BRIDGE, ...server]);
    const behind = await run([BRIDGE, process.execPath, WRAP, '--', ...server]);
    expect(Object.keys(bare.results).length).toBeGreaterThanOrEqual(44);
    expect(failures(bare)).toEqual([]);
    expect(behind.results).toEqual(bare.results);
    expect([bare.metered, behind.metered]).toEqual([false, true]);
  });
});
