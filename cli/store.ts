import { ToolmeterError } from '../core/errors.ts';
import { type Home, homePath, openHome } from '../core/home.ts';
import type { Log } from '../core/log.ts';
import { openStore } from '../store/client.ts';
import { type StoreServer, startStoreServer } from '../store/server/index.ts';
import { makeLogger } from '../telemetry/logger.ts';
import { commandLine, PLACES } from './command-line.ts';
import { configFile, embedded, loadSettings, readSecret, type Settings } from './settings.ts';
import { waitForSignal } from './signal.ts';

const USAGE = `Usage: toolmeter store [--config FILE] [--home FOLDER]

Serves the embedded store under the home folder over ClickHouse's HTTP interface, read-write, to clients of ClickHouse
and to other processes of Toolmeter (CLICKHOUSE_URL). Others can reach it only where clickhouse_http.key is set. The
section clickhouse_http of toolmeter.yaml has the address and the limits.
`;

/** ClickHouse's own port for HTTP. */
const DEFAULT_PORT = 8123;

/** `toolmeter store`: until SIGINT or SIGTERM; statements that run are then waited for. */
export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, PLACES);
  if (line === null) return 0;
  const { values } = line;
  const settings = loadSettings(configFile(values.config));
  const log = makeLogger({ level: settings.config.telemetry.level, name: 'store' });
  const home = openHome(values.home ?? homePath());
  const server = await startStoreHttp(settings, home, log, { readOnly: false });
  process.stdout.write(`ClickHouse HTTP: ${server.url}\n`);
  await waitForSignal();
  await server.close();
  return 0;
}

/**
 * ClickHouse's HTTP interface over the embedded store as the configuration has it, its database made where there is
 * none.
 * @throws ToolmeterError TM_STORE_CONFIG where the store is a server elsewhere, which has that interface itself
 */
export async function startStoreHttp(
  settings: Settings,
  home: Home,
  log: Log,
  { readOnly }: { readonly readOnly: boolean },
): Promise<StoreServer> {
  const { clickhouse_http: http, store } = settings.config;
  if (!embedded(settings.config).store)
    throw new ToolmeterError(
      'TM_STORE_CONFIG',
      "The configuration names a ClickHouse (store.url), so there is no embedded store to serve over ClickHouse's HTTP interface.",
      'Ask that ClickHouse, or leave out store.url and CLICKHOUSE_URL.',
    );
  const first = await openStore({ path: home.store, database: store.database, log });
  try {
    return await startStoreServer({
      path: home.store,
      database: store.database,
      readOnly,
      host: http.host,
      port: http.port ?? DEFAULT_PORT,
      user: http.user,
      key: http.key === undefined ? null : readSecret(http.key),
      maxBodyBytes: http.max_body_bytes,
      places: http.places,
      maxWaiting: http.max_waiting,
      maxExecutionS: http.max_execution_s,
      maxMemoryBytes: http.max_memory_bytes,
      maxResultBytes: http.max_result_bytes,
      log,
    });
  } finally {
    await first.close();
  }
}
