import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { type StoreServer, startStoreServer } from '../../../store/server/index.ts';
import { findPython } from '../../support/python.ts';
import { testServerOptions } from '../../support/store-server.ts';

const run = promisify(execFile);
const USER = 'grafana';
const KEY = "it's: a key";
const CLIENTS = resolve(import.meta.dirname, 'clients');

/** A loud line where a client can't be had; an error in CI. */
function notTested(what: string, why: string): null {
  const text = `The ClickHouse endpoint is NOT tested with ${what}: ${why}`;
  if (process.env.CI) throw new Error(text);
  console.error(`\n*** ${text} ***\n`);
  return null;
}

/** The Go client, built into the cache once for each of its sources. */
async function goClient(): Promise<string | null> {
  const folder = resolve('.cache', 'clickhouse-go-v2.50.0');
  const binary = join(folder, 'client');
  mkdirSync(folder, { recursive: true });
  try {
    // Go's own cache tells whether there is anything to do.
    await run('go', ['build', '-o', binary, '.'], { cwd: join(CLIENTS, 'go'), timeout: 600_000 });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    return notTested('clickhouse-go', stderr?.trim().split('\n').at(-1) || message);
  }
  return existsSync(binary) ? binary : notTested('clickhouse-go', 'the build made nothing');
}

async function python(): Promise<string | null> {
  const found = await findPython('clickhouse');
  return 'interpreter' in found ? found.interpreter : notTested('clickhouse-connect', found.missing);
}

async function curl(): Promise<string | null> {
  try {
    await run('curl', ['--version']);
    return 'curl';
  } catch (error) {
    return notTested('curl', (error as Error).message);
  }
}

const clients = { go: await goClient(), python: await python(), curl: await curl() };

let folder: string;
let server: StoreServer;
let environment: NodeJS.ProcessEnv;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-clients-'));
  server = await startStoreServer(testServerOptions(join(folder, 'store'), { user: USER, key: KEY }));
  environment = { ...process.env, STORE_USER: USER, STORE_KEY: KEY };
});
afterAll(async () => {
  await server?.close(0);
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(clients.go === null)('clickhouse-go over HTTP, in Native', () => {
  test.each(['none', 'lz4', 'zstd', 'gzip', 'deflate', 'br'])('compression %s', async (compression) => {
    const { host } = new URL(server.url);
    const { stdout } = await run(clients.go as string, [host, compression], { env: environment });
    expect(stdout).toBe('read 49990 rows\n');
  });
});

test.skipIf(clients.python === null)('clickhouse-connect, in every compression that it has', async () => {
  const { hostname, port } = new URL(server.url);
  const script = join(CLIENTS, 'connect.py');
  const { stdout } = await run(clients.python as string, [script, hostname, port], { env: environment });
  expect(stdout.trim().split('\n')).toEqual(
    ['False', 'True', 'lz4', 'gzip', 'zstd'].map((name) => `${name}: 4990 rows`),
  );
});

describe.skipIf(clients.curl === null)('curl', () => {
  const ask = async (...args: string[]): Promise<string> =>
    (await run('curl', ['--silent', '--show-error', '--user', `${USER}:${KEY}`, ...args])).stdout;

  it('asks, binds, inserts a compressed file, and reads compressed answers', async () => {
    expect(await ask(`${server.url}/ping`)).toBe('Ok.\n');
    await ask(server.url, '-d', 'CREATE TABLE c (a UInt64, b String) ENGINE = MergeTree ORDER BY a');
    await ask(`${server.url}/?query=INSERT%20INTO%20c%20FORMAT%20CSV`, '--data-binary', '1,"x;y"\n2,z\n');
    const search = 'enable_http_compression=1&param_b=x%3By&default_format=JSONEachRow';
    expect(
      await ask('--compressed', `${server.url}/?${search}`, '-d', 'SELECT * FROM c WHERE b = {b:String}'),
    ).toBe('{"a":1,"b":"x;y"}\n');
    const refused = await ask('--fail-with-body', server.url, '-d', 'SELECT x FROM nowhere').catch(
      (error) => error,
    );
    expect(refused).toMatchObject({ code: 22, stdout: expect.stringContaining('Code: 60. DB::Exception: ') });
  });
});

describe('@clickhouse/client', () => {
  it('asks, inserts and streams, compressed both ways', async () => {
    const client = createClient({
      url: server.url,
      username: USER,
      password: KEY,
      compression: { request: true, response: true },
      log: { level: 127 },
    });
    try {
      expect(await client.ping()).toMatchObject({ success: true });
      await client.command({ query: 'CREATE TABLE j (a UInt64, b String) ENGINE = MergeTree ORDER BY a' });
      const rows = Array.from({ length: 5_000 }, (_, n) => ({ a: `${n}`, b: `row ${n};'\n` }));
      const inserted = await client.insert({ table: 'j', values: rows, format: 'JSONEachRow' });
      expect(inserted.summary).toMatchObject({ written_rows: '5000' });
      const found = await client.query({
        query: 'SELECT a, b FROM j WHERE b != {not:String} ORDER BY a',
        query_params: { not: "it's\t\\ not" },
        format: 'JSONEachRow',
        clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
        query_id: 'asked-by-js',
      });
      expect(found.query_id).toBe('asked-by-js');
      const streamed: unknown[] = [];
      for await (const part of found.stream()) streamed.push(...part.map((row) => row.json()));
      expect(streamed).toEqual(rows);
      await expect(client.query({ query: 'SELECT x FROM nowhere' })).rejects.toMatchObject({
        code: '60',
        type: 'UNKNOWN_TABLE',
      });
    } finally {
      await client.close();
    }
  });
});
