import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import { createChdbConnection } from 'chdb/connection';

/**
 * ClickHouse's HTTP interface in front of the embedded engine: what the server side of the client says on the wire
 * (statement, settings, bound values, insert bodies, error codes) meets the real parser and the real tables. It stands
 * in where no server can be had; it is not one: one statement at a time, no users, no compression.
 */
export interface ClickHouseHttp {
  readonly url: string;
  /** Statements that came, newest last. */
  readonly seen: { query: string; settings: Record<string, string> }[];
  /** Refuses connections until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** The next inserts take effect, and their answers are cut off. */
  loseAnswers(inserts: number): void;
  close(): Promise<void>;
}

const NOT_SETTINGS = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'wait_end_of_query',
  'role',
  'session_id',
]);

export async function clickHouseHttp(path: string): Promise<ClickHouseHttp> {
  const connection = createChdbConnection({ path });
  const engine: ClickHouseClient = createClient({ connection } as unknown as Parameters<
    typeof createClient
  >[0]);
  const seen: ClickHouseHttp['seen'] = [];
  let tail: Promise<unknown> = Promise.resolve();
  let lost = 0;

  const run = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/ping') return void response.end('Ok.\n');
    const body = request.method === 'POST' ? await text(request) : '';
    const inUrl = url.searchParams.get('query');
    const query = inUrl ?? body;
    const values = inUrl === null ? '' : body;
    const settings: Record<string, string> = {};
    const params: Record<string, string> = {};
    for (const [name, value] of url.searchParams) {
      if (name.startsWith('param_')) params[name.slice(6)] = value;
      else if (!NOT_SETTINGS.has(name)) settings[name] = value;
    }
    seen.push({ query, settings });
    try {
      await connection.command({ query: `USE ${url.searchParams.get('database') ?? 'default'}` } as never);
      const isInsert = /FORMAT JSONEachRow\s*$/.test(query) && /^\s*INSERT/i.test(query);
      if (isInsert) {
        const table = /INTO (\w+)/.exec(query)?.[1] ?? '';
        await connection.chdb.rawInsert({
          table,
          values: Buffer.from(values),
          format: 'JSONEachRow',
          settings,
        });
        if (lost > 0) {
          lost--;
          return void response.socket?.destroy();
        }
        return void response.end();
      }
      for (const [name, value] of Object.entries(params)) {
        const literal = value.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
        await connection.command({ query: `SET param_${name} = '${literal}'` } as never);
      }
      const bound = await connection.query({ query, clickhouse_settings: settings } as never);
      response.end(await text(bound.stream));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const raw = error as { code?: unknown; type?: unknown; clickhouseCode?: unknown };
      const code = raw.clickhouseCode ?? raw.code ?? 0;
      response.statusCode = 500;
      response.setHeader('X-ClickHouse-Exception-Code', String(code));
      response.end(
        /^Code: /.test(message)
          ? message
          : `Code: ${code}. DB::Exception: ${message} (${raw.type ?? 'UNKNOWN'})`,
      );
    }
  };

  let server: Server;
  let port = 0;
  const up = async (): Promise<void> => {
    server = createServer((request, response) => {
      tail = tail.then(() => run(request, response));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const down = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  await up();
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    down,
    up,
    loseAnswers: (inserts) => {
      lost = inserts;
    },
    close: async () => {
      await down();
      await tail;
      await engine.close();
    },
  };
}
