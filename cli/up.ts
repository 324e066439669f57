import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openOutbox } from '../collectors/spool/index.ts';
import { ToolmeterError } from '../core/errors.ts';
import { homePath, openHome } from '../core/home.ts';
import { VERSION } from '../core/version.ts';
import { holderOf, loadEmbeddedEngine } from '../store/client.ts';
import type { StoreServer } from '../store/server/index.ts';
import { makeLogger } from '../telemetry/logger.ts';
import { registry } from '../telemetry/metrics.ts';
import { startTelemetry } from '../telemetry/otel.ts';
import { watchOutbox } from '../telemetry/watch.ts';
import { commandLine, PLACES } from './command-line.ts';
import { runDemo } from './demo/run.ts';
import { DEMO_MARK, demoDirectory } from './demo/traffic.ts';
import { startHttp } from './roles/http.ts';
import { ROLES, type Role } from './roles/role.ts';
import { startThread } from './roles/thread.ts';
import { configFile, embedded, loadSettings, messagingSystem, type Settings } from './settings.ts';
import { waitForSignal } from './signal.ts';
import { startStoreHttp } from './store.ts';

const USAGE = `Usage: toolmeter up [--config FILE] [--home FOLDER] [--demo]

Runs everything in one process: ingest, processors, store, API. With KAFKA_BROKERS and CLICKHOUSE_URL (or log.brokers and
store.url in toolmeter.yaml) it uses those; without, the embedded log and store in $TOOLMETER_HOME.

  --config FILE   configuration (default: TOOLMETER_CONFIG, or toolmeter.yaml in this folder)
  --home FOLDER   keys, spools, log and store (default: TOOLMETER_HOME, or the user's data folder)
  --demo          start afresh in .toolmeter/demo, drive real MCP traffic of three teams, print their spend
  --exit          with --demo: stop after the table
`;

/** `toolmeter up`: main thread HTTP, one thread for the processors, one for the store. */
export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, {
    ...PLACES,
    demo: { type: 'boolean' },
    exit: { type: 'boolean' },
  });
  if (line === null) return 0;
  const { values } = line;
  const begunAt = Date.now();
  let settings = loadSettings(configFile(values.config));
  const home = values.demo
    ? resolve(values.home ?? join('.toolmeter', 'demo'))
    : resolve(values.home ?? homePath());
  if (values.demo) settings = prepareDemo(settings, home);
  const running = await startAll(settings, home);
  try {
    process.stdout.write(banner(running, home, settings));
    if (values.demo) {
      const code = await Promise.race([runDemo({ url: running.url, home, begunAt }), running.failed]);
      if (code instanceof ToolmeterError) throw code;
      if (values.exit || code !== 0) return code;
      process.stdout.write('\nStill running: press Ctrl-C to stop.\n');
    }
    const failure = await Promise.race([waitForSignal(), running.failed]);
    if (failure instanceof ToolmeterError) throw failure;
    return 0;
  } finally {
    await running.stop();
  }
}

export interface Running {
  readonly url: string;
  /** ClickHouse's HTTP interface, read-only, where the configuration asks for it. */
  readonly clickHouseUrl: string | null;
  /** Resolves when a thread has ended without having been asked to. */
  readonly failed: Promise<ToolmeterError>;
  stop(): Promise<void>;
}

/** Starts all roles; what has been started is stopped again where a later one fails. */
export async function startAll(settings: Settings, homeFolder: string): Promise<Running> {
  const home = openHome(homeFolder);
  const log = makeLogger({ level: settings.config.telemetry.level, name: 'http' });
  const telemetry = await startTelemetry({
    endpoint: settings.config.telemetry.otlp_endpoint,
    messagingSystem: messagingSystem(settings.config),
    serviceName: 'toolmeter',
    registry,
    log,
  });
  const threads = new Map<string, Role>();
  let clickHouse: StoreServer | null = null;
  const stop = async (): Promise<void> => {
    await clickHouse?.close();
    for (const role of [...threads.values()].reverse()) await role.stop();
    await telemetry?.shutdown();
  };
  let fail: (error: ToolmeterError) => void = () => {};
  const failed = new Promise<ToolmeterError>((done) => {
    fail = done;
  });
  try {
    if (embedded(settings.config).store) await loadEmbeddedEngine();
    // The store first: it migrates what the others ask.
    for (const role of ROLES) threads.set(role, await startThread(role, settings, home.path, fail));
    const http = await startHttp({ settings, home, log }, { beside: threads });
    if (settings.config.clickhouse_http.port !== undefined) {
      try {
        clickHouse = await startStoreHttp(settings, home, log, { readOnly: true });
      } catch (error) {
        await http.stop();
        throw error;
      }
    }
    // An outbox without calls of its own: it takes over the spools that dead collectors of this machine left.
    const orphans = embedded(settings.config).log
      ? openOutbox({ home, destination: { kind: 'http', url: http.url }, log })
      : null;
    const unwatch = orphans === null ? null : watchOutbox(registry, 'adopted', () => orphans.stats());
    return {
      url: http.url,
      clickHouseUrl: clickHouse?.url ?? null,
      failed,
      stop: async () => {
        await orphans?.close();
        unwatch?.();
        await http.stop();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A folder of the demonstration's own, empty. What is not one, or is in use, is left alone. @throws ToolmeterError */
function prepareDemo(settings: Settings, home: string): Settings {
  const file = join(home, 'directory.yaml');
  const isOurs =
    !existsSync(home) ||
    readdirSync(home).length === 0 ||
    (existsSync(file) && readFileSync(file, 'utf8').startsWith(DEMO_MARK));
  if (!isOurs)
    throw new ToolmeterError(
      'TM_DEMO_HOME',
      `The folder ${home} holds something else than a demonstration.`,
      'The demonstration starts afresh each time: give it a folder of its own by --home.',
    );
  const pid = holderOf(join(home, 'store'));
  if (pid !== null)
    throw new ToolmeterError(
      'TM_STORE_IN_USE',
      `The demonstration in ${home} is still running, as process ${pid}.`,
      'End it, or give this one another folder by --home.',
    );
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true, mode: 0o700 });
  writeFileSync(file, demoDirectory());
  return { ...settings, config: { ...settings.config, directory: file } };
}

function banner({ url, clickHouseUrl }: Running, home: string, { config, file }: Settings): string {
  const lines = [
    ['API and ingest', url],
    ['OpenAPI', `${url}/openapi.json`],
    ...(clickHouseUrl === null ? [] : ([['ClickHouse HTTP', clickHouseUrl]] as const)),
    ['Home', home],
    ['Log', embedded(config).log ? 'embedded' : `Kafka at ${config.log.brokers.join(', ')}`],
    ['Store', config.store.url ?? 'embedded ClickHouse'],
    ['Configuration', file ?? 'defaults'],
    ['Team directory', config.directory ?? 'none: calls have no team'],
  ] as const;
  return `Toolmeter ${VERSION}\n${lines.map(([name, value]) => `  ${name.padEnd(15)} ${value}`).join('\n')}\n`;
}
