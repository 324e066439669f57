import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { silentLog } from '../../../core/log.ts';
import { openStore } from '../../../store/client.ts';
import { type StoreServer, startStoreServer } from '../../../store/server/index.ts';
import { testServerOptions } from '../../support/store-server.ts';

let folder: string;
let writing: StoreServer;
/** Read-only, over the same store, with small limits. */
let reading: StoreServer;
/** With a key, one place and one waiting. */
let keyed: StoreServer;
const path = (): string => join(folder, 'store');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-server-'));
  const store = await openStore({ path: path(), database: 'meter', log: silentLog });
  await store.close();
  writing = await startStoreServer(testServerOptions(path(), { database: 'meter', maxWaiting: 1_000 }));
  reading = await startStoreServer(
    testServerOptions(path(), {
      database: 'meter',
      readOnly: true,
      maxWaiting: 1_000,
      maxExecutionS: 1,
      maxMemoryBytes: 256 * 1024 * 1024,
      maxResultBytes: 100_000,
      maxBodyBytes: 100_000,
    }),
  );
  keyed = await startStoreServer(
    testServerOptions(path(), { key: "a key: with ' colon", user: 'grafana', places: 1, maxWaiting: 1 }),
  );
  await ask(writing, 'CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a');
  await ask(writing, "INSERT INTO t VALUES (1, 'one'), (2, 'two; three')");
});
afterAll(async () => {
  await Promise.all([writing.close(0), reading.close(0), keyed.close(0)]);
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

async function ask(
  server: StoreServer,
  sql: string | Buffer,
  search: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const url = `${server.url}/?${new URLSearchParams(search)}`;
  const answer = await fetch(url, { method: 'POST', body: new Uint8Array(Buffer.from(sql)), headers });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

/** Status and ClickHouse's number of a refusal. */
async function refused(...args: Parameters<typeof ask>): Promise<[number, number]> {
  const { status, text, headers } = await ask(...args);
  const code = Number(headers.get('x-clickhouse-exception-code'));
  expect(text).toMatch(new RegExp(`^Code: ${code}\\. DB::Exception: [^]+\\([A-Z_]+\\)\\n$`));
  return [status, code];
}

/** A request as bytes that fetch does not send, to the status of its answer. */
const raw = (
  server: StoreServer,
  path: string,
  headers: Record<string, string>,
): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    httpRequest({ hostname, port, path, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', reject)
      .end();
  });

describe('the interface', () => {
  it('/ping, /replicas_status and / say Ok without asking who', async () => {
    for (const at of ['/ping', '/replicas_status', '/'])
      expect(await (await fetch(keyed.url + at)).text()).toBe('Ok.\n');
    expect((await fetch(`${keyed.url}/play`)).status).toBe(404);
    expect((await fetch(`${keyed.url}/`, { method: 'DELETE' })).status).toBe(405);
  });

  it('a statement comes in the URL, in the body, or begins in one and ends in the other', async () => {
    expect((await ask(writing, '', { query: 'SELECT 1' })).text).toBe('1\n');
    expect((await ask(writing, 'SELECT 2')).text).toBe('2\n');
    expect((await ask(writing, ' 3', { query: 'SELECT' })).text).toBe('3\n');
    expect(await (await fetch(`${writing.url}/?query=SELECT+4`)).text()).toBe('4\n');
    expect(await refused(writing, '')).toEqual([400, 62]);
  });

  it('database and format by parameter or header; FORMAT in the statement wins', async () => {
    expect((await ask(writing, 'SELECT currentDatabase()')).text).toBe('meter\n');
    expect((await ask(writing, 'SELECT currentDatabase()', { database: 'default' })).text).toBe('default\n');
    const header = { 'X-ClickHouse-Database': 'default', 'X-ClickHouse-Format': 'JSONEachRow' };
    expect((await ask(writing, 'SELECT currentDatabase() AS d', {}, header)).text).toBe('{"d":"default"}\n');
    const csv = await ask(writing, "SELECT 'a' FORMAT CSV", { default_format: 'JSON' });
    expect([csv.text, csv.headers.get('x-clickhouse-format')]).toEqual(['"a"\n', 'CSV']);
    expect(csv.headers.get('content-type')).toContain('text/csv');
    expect(await refused(writing, 'SELECT 1', { default_format: 'Nothing1' })).toEqual([404, 73]);
    expect(await refused(writing, 'SELECT 1', { default_format: "CSV'" })).toEqual([404, 73]);
    expect(await refused(writing, 'SELECT 1', { database: 'nowhere`; DROP TABLE t' })).toEqual([404, 81]);
  });

  it('values are bound as they are, whatever they hold', async () => {
    const evil = 'it\'s "{x:String}" `; DROP TABLE t; -- \u{1f600}';
    const one = await ask(writing, 'SELECT {x:String} AS x, {n:UInt64} + 1 AS n FORMAT JSONEachRow', {
      param_x: evil,
      param_n: '41',
    });
    expect(JSON.parse(one.text)).toEqual({ x: evil, n: 42 });
    const escaped = await ask(writing, 'SELECT {x:String} AS x FORMAT JSONEachRow', {
      param_x: 'a\\tb\\\\c\\nd',
    });
    expect(JSON.parse(escaped.text)).toEqual({ x: 'a\tb\\c\nd' });
    expect(await refused(writing, 'SELECT {n:UInt8}', { param_n: '1; DROP' })).toEqual([400, 457]);
    expect(await refused(writing, 'SELECT {n:UInt8}')).toEqual([500, 456]);
    expect(await refused(writing, 'SELECT 1', { "param_x = 1, max_threads'": '1' })).toEqual([400, 36]);
  });

  it('one statement’s settings and values are not the next one’s', async () => {
    await ask(writing, 'SELECT {x:String}', { param_x: 'a', max_threads: '1', database: 'default' });
    expect(await refused(writing, 'SELECT {x:String}')).toEqual([500, 456]);
    const seen = await ask(writing, "SELECT getSetting('max_threads') = 1, currentDatabase()");
    expect(seen.text).toBe('0\tmeter\n');
  });

  it('says who it is, what it did and under which id', async () => {
    const { headers } = await ask(writing, 'SELECT a FROM t', { query_id: 'mine-1' });
    expect(headers.get('x-clickhouse-query-id')).toBe('mine-1');
    expect(headers.get('x-clickhouse-timezone')).not.toBe('');
    expect(headers.get('x-clickhouse-server-display-name')).toBe('toolmeter');
    expect(JSON.parse(headers.get('x-clickhouse-summary') ?? '')).toMatchObject({
      read_rows: '2',
      written_rows: '0',
      result_bytes: '4',
    });
    const other = await ask(writing, 'SELECT 1', { query_id: 'a\r\nb' });
    expect(other.headers.get('x-clickhouse-query-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.each(['gzip', 'deflate', 'br', 'zstd'])('answers in %s where it may', async (coding) => {
    const accept = { 'Accept-Encoding': coding };
    const sql = 'SELECT number FROM numbers(1000)';
    const plain = await ask(writing, sql, {}, accept);
    expect(plain.headers.get('content-encoding')).toBeNull();
    const packed = await ask(writing, sql, { enable_http_compression: '1' }, accept);
    expect(packed.headers.get('content-encoding')).toBe(coding);
    expect(packed.text).toBe(plain.text);
  });

  it('the engine’s errors keep their numbers, and have ClickHouse’s statuses', async () => {
    expect(await refused(writing, 'SELEC 1')).toEqual([400, 62]);
    expect(await refused(writing, 'SELECT x FROM nowhere')).toEqual([404, 60]);
    expect(await refused(writing, 'SELECT nofunction(1)')).toEqual([404, 46]);
    expect(await refused(writing, "SELECT throwIf(1, 'mine')")).toEqual([500, 395]);
    expect(await refused(writing, 'SELECT 1', { max_threads: 'many' })).toEqual([400, 27]);
  });
});

describe('inserts', () => {
  const count = async (table: string): Promise<string> =>
    (await ask(writing, `SELECT count() FROM ${table}`)).text;

  it('rows follow their statement in the URL or in the body, in any format and coding', async () => {
    await ask(writing, 'CREATE TABLE i (a UInt64, b String) ENGINE = MergeTree ORDER BY a');
    const native = Buffer.from(
      await (
        await fetch(`${writing.url}/?query=${encodeURIComponent('SELECT a, b FROM t FORMAT Native')}`)
      ).arrayBuffer(),
    );
    const parquet = Buffer.from(
      await (
        await fetch(`${writing.url}/?query=${encodeURIComponent('SELECT a, b FROM t FORMAT Parquet')}`)
      ).arrayBuffer(),
    );
    const into = { query: 'INSERT INTO i FORMAT JSONEachRow' };
    expect((await ask(writing, '{"a":1,"b":"; DROP TABLE i"}\n{"a":2,"b":"x"}', into)).status).toBe(200);
    expect(
      (await ask(writing, gzipSync('{"a":3,"b":"z"}'), into, { 'Content-Encoding': 'gzip' })).status,
    ).toBe(200);
    expect((await ask(writing, 'INSERT INTO i FORMAT CSV\n4,"four"\n5,five\n')).status).toBe(200);
    expect((await ask(writing, native, { query: 'INSERT INTO i (a, b) FORMAT Native' })).status).toBe(200);
    expect((await ask(writing, parquet, { query: 'INSERT INTO i FORMAT Parquet' })).status).toBe(200);
    const latin = Buffer.from('6\t\xe9\n', 'latin1');
    const written = await ask(writing, latin, { query: 'INSERT INTO i FORMAT TSV' });
    expect(JSON.parse(written.headers.get('x-clickhouse-summary') ?? '')).toMatchObject({
      written_rows: '1',
    });
    expect((await ask(writing, '', into)).status).toBe(200);
    expect((await ask(writing, 'SELECT hex(b) FROM i WHERE a = 6')).text).toBe('E9\n');
    expect(await count('i')).toBe('10\n');
    expect(readdirSync(`${path()}.rows`)).toEqual([]);
  });

  it('one bad row refuses all, and leaves no file', async () => {
    await ask(writing, 'CREATE TABLE j (a UInt64) ENGINE = MergeTree ORDER BY a');
    expect(
      await refused(writing, '{"a":1}\n{"a":"x"}', { query: 'INSERT INTO j FORMAT JSONEachRow' }),
    ).toEqual([400, 27]);
    expect(await count('j')).toBe('0\n');
    expect(readdirSync(`${path()}.rows`)).toEqual([]);
  });

  it('GET writes nothing, as in ClickHouse', async () => {
    const answer = await fetch(`${writing.url}/?query=${encodeURIComponent('DROP TABLE t')}`);
    expect([answer.status, answer.headers.get('x-clickhouse-exception-code')]).toEqual([403, '164']);
    expect(await count('t')).toBe('2\n');
  });
});

describe('read-only', () => {
  test.each<[string, number, number]>([
    ["INSERT INTO t VALUES (3, 'x')", 403, 164],
    ['INSERT INTO t SELECT 1, 2', 403, 164],
    ['DROP TABLE t', 403, 164],
    ['CREATE TABLE u (a Int8) ENGINE = Memory', 403, 164],
    ['WITH 1 AS x INSERT INTO t SELECT x, 2', 403, 164],
    ['SELECT 1; DROP TABLE t', 400, 62],
    ["SELECT * FROM file('/etc/passwd', 'LineAsString')", 403, 497],
    ["SELECT file('/etc/passwd')", 403, 497],
    ["SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')", 403, 497],
    ["SELECT * FROM s3('http://127.0.0.1:1/b/x', 'CSV', 'a String')", 403, 497],
    ["SELECT * FROM remote('127.0.0.1:1', system.one)", 403, 497],
    ["SELECT * FROM executable('id', 'CSV', 'a String')", 403, 497],
    ['SELECT * FROM `/etc/passwd`', 403, 497],
    ['SELECT * FROM system.users', 403, 497],
    ['SELECT * FROM system.query_log', 403, 497],
    ['SELECT 1 SETTINGS max_execution_time = 0', 403, 164],
    ["SELECT 1 INTO OUTFILE 'x'", 500, 358],
    ["SELECT arrayJoin(range(1000000)), 'xxxxxxxxxx'", 500, 396],
    ['SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))', 408, 159],
    ['SELECT groupArray(number) FROM numbers(100000000)', 500, 241],
    [`SELECT 1 -- ${'x'.repeat(100_001)}`, 413, 131],
  ])('%s', async (sql, status, code) => {
    expect(await refused(reading, sql)).toEqual([status, code]);
  });

  it('limits and settings can’t be lifted from outside', async () => {
    const slow = 'SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))';
    expect(await refused(reading, slow, { max_execution_time: '0', timeout_overflow_mode: 'break' })).toEqual(
      [408, 159],
    );
    expect(await refused(reading, slow, { max_execution_time: '600' })).toEqual([408, 159]);
    expect(await refused(reading, slow, { max_execution_time: '0.2' })).toEqual([408, 159]);
    const large = "SELECT arrayJoin(range(1000000)), 'xxxxxxxxxx'";
    expect(await refused(reading, large, { max_result_bytes: '0', result_overflow_mode: 'break' })).toEqual([
      500, 396,
    ]);
    for (const name of ['allow_ddl', 'log_comment', 'user_files_path', 'format_schema', 'nope', "a = 1, b'"])
      expect(await refused(reading, 'SELECT 1', { [name]: '1' }), name).toEqual([403, 452]);
    expect((await ask(reading, "SELECT getSetting('readonly')", { readonly: '0' })).text).toBe('1\n');
    expect(await refused(reading, 'SELECT * FROM users', { database: 'system' })).toEqual([403, 497]);
  });

  it('answers what is asked of it, and nothing has changed', async () => {
    expect((await ask(reading, 'SELECT sum(a) FROM t')).text).toBe('3\n');
    expect((await ask(reading, 'SHOW TABLES')).text).toContain('t\n');
    expect((await ask(reading, 'EXPLAIN SELECT a FROM t')).status).toBe(200);
    expect(
      (
        await ask(reading, 'SELECT 1', {
          max_execution_time: '60',
          output_format_json_quote_64bit_integers: '1',
        })
      ).status,
    ).toBe(200);
    expect(existsSync(join(process.cwd(), 'x'))).toBe(false);
  });
});

describe('who may ask', () => {
  const key = "a key: with ' colon";
  const basic = (user: string, word: string): Record<string, string> => ({
    Authorization: `Basic ${Buffer.from(`${user}:${word}`).toString('base64')}`,
  });

  it('user and key, in any of three ways', async () => {
    const ok = (search: Record<string, string>, headers: Record<string, string>) =>
      ask(keyed, 'SELECT 1', search, headers).then(({ status }) => status);
    expect(await ok({}, basic('grafana', key))).toBe(200);
    expect(await ok({}, { 'X-ClickHouse-User': 'grafana', 'X-ClickHouse-Key': key })).toBe(200);
    expect(await ok({ user: 'grafana', password: key }, {})).toBe(200);
    for (const [search, headers] of [
      [{}, {}],
      [{}, basic('grafana', `${key}x`)],
      [{}, basic('default', key)],
      [{}, basic('grafana', '')],
      [{ user: 'grafana' }, {}],
      [{ user: 'grafana', password: key }, basic('grafana', key)],
    ])
      expect(
        await refused(keyed, 'SELECT 1', search as Record<string, string>, headers as Record<string, string>),
      ).toEqual([403, 516]);
    expect(await refused(keyed, 'SELECT 1', {}, { Authorization: 'Bearer x' })).toEqual([401, 516]);
  });

  it('no web page, whatever it calls this machine', async () => {
    expect(await refused(writing, 'SELECT 1', {}, { Origin: 'http://localhost:3000' })).toEqual([403, 497]);
    expect(await raw(writing, '/?query=SELECT+1', { host: 'rebound.example:8123' })).toBe(403);
    expect(await raw(writing, '/ping', { host: 'rebound.example' })).toBe(403);
    expect(await raw(writing, '/?query=SELECT+1', { host: 'localhost:8123' })).toBe(200);
    expect(
      await raw(writing, '/?query=SELECT+1', { host: '127.0.0.1', 'sec-fetch-site': 'cross-site' }),
    ).toBe(403);
  });

  it('an address that others can reach needs a key', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1'])
      await expect(startStoreServer(testServerOptions(path(), { host }))).rejects.toMatchObject({
        code: 'TM_STORE_CONFIG',
      });
    await expect(startStoreServer(testServerOptions(path(), { key: '' }))).rejects.toMatchObject({
      code: 'TM_STORE_CONFIG',
    });
  });
});

describe('many at once', () => {
  const headers = { 'X-ClickHouse-User': 'grafana', 'X-ClickHouse-Key': "a key: with ' colon" };
  const SLOW = 'SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))';
  const running = async (): Promise<number> =>
    Number(
      (
        await ask(
          writing,
          "SELECT count() FROM system.processes WHERE query LIKE '%100000000000%' AND query NOT LIKE '%processes%'",
        )
      ).text,
    );

  it('beyond the queue it is 503 and error 202; who hangs up is cancelled and makes room', async () => {
    const gone = new AbortController();
    const slow = fetch(`${keyed.url}/`, { method: 'POST', body: SLOW, headers, signal: gone.signal }).catch(
      (error: Error) => error.name,
    );
    await expect.poll(running).toBe(1);
    const waits = ask(keyed, 'SELECT 1', {}, headers);
    // Whichever of the two comes second finds the queue full.
    const third = await Promise.race([waits, ask(keyed, 'SELECT 2', {}, headers)]);
    expect([third.status, third.headers.get('x-clickhouse-exception-code')]).toEqual([503, '202']);
    gone.abort();
    expect(await slow).toBe('AbortError');
    expect((await ask(writing, 'SELECT 1')).text).toBe('1\n');
    await expect.poll(running).toBe(0);
  });

  it('drains: what runs ends, what does not is cancelled, and the address is free', async () => {
    const draining = await startStoreServer(testServerOptions(path()));
    const quick = ask(draining, 'SELECT sleep(1), 100000000000');
    const slow = ask(draining, SLOW);
    await expect.poll(running).toBe(2);
    const closed = draining.close(4_000);
    expect((await quick).text).toBe('0\t100000000000\n');
    expect((await slow).headers.get('x-clickhouse-exception-code')).toBe('394');
    await closed;
    await expect(fetch(`${draining.url}/ping`)).rejects.toThrow();
    expect((await ask(writing, 'SELECT 1')).text).toBe('1\n');
  });
});

it('values stay with their statement while others run beside, in this interface and in the embedded client', async () => {
  const store = await openStore({ path: path(), database: 'meter', log: silentLog });
  const client = await store.newClient();
  const over = async (n: number): Promise<void> => {
    const param_x = `http-${n}-${'x'.repeat(n % 50)}`;
    const { text } = await ask(
      n % 2 === 0 ? writing : reading,
      'SELECT {x:String}, sum(number) FROM numbers(1000)',
      { param_x },
    );
    expect(text).toBe(`${param_x}\t499500\n`);
  };
  const beside = async (n: number): Promise<void> => {
    const [row] = await client.query('SELECT {x:String} AS x', { x: `embedded-${n}` });
    expect(row).toEqual({ x: `embedded-${n}` });
  };
  try {
    await Promise.all(Array.from({ length: 200 }, (_, n) => (n % 4 === 3 ? beside(n) : over(n))));
  } finally {
    await store.close();
  }
});
