import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type ClickHouseClient, type ClickHouseSettings, createClient } from '@clickhouse/client';
import { ToolmeterError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Doing, StoreError, storeError } from './errors.ts';

export interface StoreOptions {
  /** ClickHouse over HTTP; absent: the embedded engine in `path`. */
  readonly url?: string;
  readonly user?: string;
  readonly password?: string;
  readonly database: string;
  /** The embedded engine's folder: one process at a time. */
  readonly path?: string;
  readonly log: Log;
}

/** Values of a statement's `{name:Type}` places. Never concatenate a value into SQL. */
export type Params = Readonly<Record<string, string | number | bigint | boolean | readonly string[]>>;

/**
 * A connection that runs one statement at a time, in the order of the calls: whoever must not wait for another (sink,
 * seal, API) takes one of its own. All methods reject with `StoreError`.
 */
export interface StoreClient {
  readonly kind: 'server' | 'embedded';
  /** Rows as JSON has them: 64-bit integers and decimals are strings, times ISO 8601 in UTC. */
  query<Row>(sql: string, params?: Params): Promise<Row[]>;
  command(sql: string, params?: Params): Promise<void>;
  /**
   * Inserts NDJSON, ready as bytes: one block, all or nothing. An insert with a token that was used for the same
   * table partition before changes nothing.
   */
  insert(table: string, ndjson: Buffer, token?: string): Promise<void>;
  close(): Promise<void>;
}

export interface Store {
  readonly kind: 'server' | 'embedded';
  readonly database: string;
  /** `maxExecutionS`: longest that one of its statements may run; default `MAX_EXECUTION_S`. */
  newClient(options?: { maxExecutionS?: number }): Promise<StoreClient>;
  /** Closes every client that is still open. */
  close(): Promise<void>;
}

/** Longest that a statement may run, seconds: what the sink's protocol counts on for an insert in flight. */
export const MAX_EXECUTION_S = 30;

const READ_SETTINGS: ClickHouseSettings = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_denormals: 1,
  date_time_output_format: 'iso',
};

/**
 * One block of one part: no parallel parsing and no squashing bounds below the sink's 64 MB. An unknown field is an
 * error, so that a column is never lost in silence.
 */
const INSERT_SETTINGS: Readonly<Record<string, string | number>> = {
  async_insert: 0,
  date_time_input_format: 'best_effort',
  input_format_skip_unknown_fields: 0,
  input_format_parallel_parsing: 0,
  input_format_allow_errors_num: 0,
  max_insert_block_size: 1_000_000,
  min_insert_block_size_rows: 1_000_000,
  min_insert_block_size_bytes: 268_435_456,
  max_execution_time: MAX_EXECUTION_S,
};

function insertSettings(token: string | undefined): Record<string, string | number> {
  return token === undefined
    ? { ...INSERT_SETTINGS }
    : { ...INSERT_SETTINGS, insert_deduplication_token: token };
}

/**
 * Loads the embedded engine's library into this thread. A thread that alone has a native library unloads it at its
 * end, under the feet of the engine's own thread-local destructors, and the process crashes: the main thread must have
 * it too, before any other.
 */
export async function loadEmbeddedEngine(): Promise<void> {
  await import('chdb/connection');
}

/**
 * Opens the store and makes its database where there is none.
 * @throws StoreError TM_STORE_UNAVAILABLE, or TM_STORE_IN_USE when another process has the folder
 * @throws ToolmeterError TM_STORE_CONFIG when neither url nor path is given, or the database's name is not a name
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(options.database)) {
    throw new ToolmeterError(
      'TM_STORE_CONFIG',
      `"${options.database}" is not a database name.`,
      'Set store.database.',
    );
  }
  const open = new Set<StoreClient>();
  const connect = options.url === undefined ? await embedded(options) : server(options, options.url);
  const database = options.database;
  const first = await connect('default', MAX_EXECUTION_S);
  try {
    const [found] = await first.query('SELECT 1 AS one FROM system.databases WHERE name = {name:String}', {
      name: database,
    });
    if (found === undefined) await first.command(`CREATE DATABASE IF NOT EXISTS ${database}`);
    // The embedded engine shuts down with its last connection: one stays open for the store's life.
    if (options.url === undefined) open.add(await connect(database, MAX_EXECUTION_S));
  } finally {
    await first.close();
  }
  return {
    kind: options.url === undefined ? 'embedded' : 'server',
    database,
    async newClient(wanted = {}) {
      const client = await connect(database, wanted.maxExecutionS ?? MAX_EXECUTION_S);
      open.add(client);
      return {
        ...client,
        close: () => {
          open.delete(client);
          return client.close();
        },
      };
    },
    async close() {
      await Promise.all([...open].map((client) => client.close()));
      open.clear();
    },
  };
}

type Connect = (database: string, maxExecutionS: number) => Promise<StoreClient>;

function server(options: StoreOptions, url: string): Connect {
  return async (database, maxExecutionS) => {
    const client = createClient({
      url,
      username: options.user ?? 'default',
      password: options.password ?? '',
      database,
      application: 'toolmeter',
      max_open_connections: 1,
      request_timeout: (maxExecutionS + 15) * 1000,
      clickhouse_settings: { ...READ_SETTINGS, max_execution_time: maxExecutionS },
      log: { level: 127 },
    });
    return wrap('server', client, async (table, ndjson, token) => {
      const { stream } = await client.exec({
        query: `INSERT INTO ${table} FORMAT JSONEachRow`,
        values: Readable.from([ndjson], { objectMode: false }),
        clickhouse_settings: insertSettings(token),
      });
      for await (const _ of stream);
    });
  };
}

/** The two packages carry their own copies of one interface, which TypeScript takes for two. */
type ClientConnection = NonNullable<Parameters<typeof createClient>[0]>['connection'];

async function embedded(options: StoreOptions): Promise<Connect> {
  const { path, log } = options;
  if (path === undefined) {
    throw new ToolmeterError(
      'TM_STORE_CONFIG',
      'The store has neither a url nor a folder.',
      'Set store.url.',
    );
  }
  const { createChdbConnection } = await import('chdb/connection').catch((error: unknown) => {
    throw new StoreError(
      'TM_STORE_UNAVAILABLE',
      'The embedded ClickHouse does not load on this machine.',
      'It runs on Linux (x64, arm64; glibc) and macOS; elsewhere set store.url to a ClickHouse server.',
      0,
      { cause: error },
    );
  });
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw cannotOpen(path, error);
  }
  return async (database, maxExecutionS) => {
    let connection: ReturnType<typeof createChdbConnection>;
    try {
      connection = createChdbConnection({ path });
    } catch (error) {
      throw cannotOpen(path, error);
    }
    const client = createClient({
      connection: connection as unknown as ClientConnection,
      clickhouse_settings: { ...READ_SETTINGS, max_execution_time: maxExecutionS },
    });
    await client.command({ query: `USE ${database}` });
    log.debug({ path, database }, 'embedded store client opened');
    return wrap('embedded', client, async (table, ndjson, token) => {
      await connection.chdb.rawInsert({
        table,
        values: ndjson,
        format: 'JSONEachRow',
        settings: insertSettings(token),
      });
    });
  };
}

/**
 * The other process that has the embedded store in this folder open, or null. The engine holds an OS lock on `status`
 * in its folder, with the holder's pid inside.
 */
export function holderOf(path: string): number | null {
  let text: string;
  try {
    text = readFileSync(join(path, 'status'), 'utf8');
  } catch {
    return null;
  }
  const pid = Number(/PID: (\d+)/.exec(text)?.[1]);
  return Number.isSafeInteger(pid) && pid !== process.pid && isAlive(pid) ? pid : null;
}

/** Why the embedded store in this folder does not open: another process has it, or the folder is not usable. */
export function cannotOpen(path: string, error: unknown): StoreError {
  const pid = holderOf(path);
  if (pid !== null) {
    return new StoreError(
      'TM_STORE_IN_USE',
      `The store in ${path} is in use by pid ${pid}.`,
      'Ask that process through its API, end it, or set TOOLMETER_HOME to another folder.',
    );
  }
  return new StoreError(
    'TM_STORE_UNAVAILABLE',
    `The embedded store in ${path} can't be opened.`,
    'Check that the folder can be written and the disk is not full; one process can have one embedded store open.',
    0,
    { cause: error },
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

type RawInsert = (table: string, ndjson: Buffer, token: string | undefined) => Promise<void>;

function wrap(kind: 'server' | 'embedded', client: ClickHouseClient, rawInsert: RawInsert): StoreClient {
  let tail: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(doing: Doing, work: () => Promise<T>): Promise<T> => {
    const result = tail.then(work).catch((error: unknown) => {
      throw storeError(error, doing);
    });
    tail = result.catch(() => undefined);
    return result;
  };
  const bind = (params: Params | undefined) =>
    params === undefined ? {} : { query_params: params as Record<string, unknown> };
  return {
    kind,
    query: (sql, params) =>
      inTurn('statement', async () => {
        const result = await client.query({ query: sql, format: 'JSONEachRow', ...bind(params) });
        return result.json();
      }),
    command: (sql, params) =>
      inTurn('statement', async () => {
        await client.command({ query: sql, ...bind(params) });
      }),
    insert: (table, ndjson, token) => inTurn('insert', () => rawInsert(table, ndjson, token)),
    close: () => inTurn('statement', () => client.close()),
  };
}
