import { once } from 'node:events';
import { createServer, type Server, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLog } from '../../core/log.ts';
import { type StoreServerOptions, startStoreServer } from '../../store/server/index.ts';

/** A read-write server on a free port of this machine, without a key, with what a test changes of it. */
export const testServerOptions = (
  path: string,
  change: Partial<StoreServerOptions> = {},
): StoreServerOptions => ({
  path,
  host: '127.0.0.1',
  port: 0,
  user: 'default',
  key: null,
  database: 'default',
  readOnly: false,
  maxBodyBytes: 128 * 1024 * 1024,
  places: 4,
  maxWaiting: 64,
  maxExecutionS: 60,
  maxMemoryBytes: 2 * 1024 ** 3,
  maxResultBytes: 128 * 1024 * 1024,
  log: silentLog,
  ...change,
});

/** ClickHouse's HTTP interface in front of the embedded engine, behind a proxy that makes a network's faults. */
export interface FaultyStoreServer {
  readonly url: string;
  /** Statements that came in the URL, newest last. */
  readonly seen: { query: string; settings: Record<string, string> }[];
  /** Refuses connections until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** The next inserts take effect, and their answers are cut off. */
  loseAnswers(inserts: number): void;
  close(): Promise<void>;
}

/** What a client sends beside settings. */
const NOT_SETTINGS = new Set(['query', 'query_id', 'database', 'default_format', 'wait_end_of_query']);

export async function faultyStoreServer(path: string): Promise<FaultyStoreServer> {
  const behind = await startStoreServer(testServerOptions(path));
  const seen: FaultyStoreServer['seen'] = [];
  let lost = 0;
  let proxy: Server;
  let port = 0;
  const up = async (): Promise<void> => {
    proxy = createServer((request, response) => {
      const search = new URL(request.url ?? '/', behind.url).searchParams;
      const query = search.get('query') ?? '';
      seen.push({
        query,
        settings: Object.fromEntries(
          [...search].filter(([name]) => !NOT_SETTINGS.has(name) && !name.startsWith('param_')),
        ),
      });
      const forward = send(behind.url + request.url, { method: request.method, headers: request.headers });
      forward.on('response', (answer) => {
        if (lost > 0 && /^\s*INSERT/i.test(query)) {
          lost--;
          answer.resume();
          return void response.destroy();
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      forward.on('error', () => response.destroy());
      response.on('close', () => forward.destroy());
      request.pipe(forward);
    });
    proxy.listen(port, '127.0.0.1');
    await once(proxy, 'listening');
    port = (proxy.address() as AddressInfo).port;
  };
  const down = async (): Promise<void> => {
    const closed = once(proxy, 'close');
    proxy.close();
    proxy.closeAllConnections();
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
      await behind.close(0);
    },
  };
}
