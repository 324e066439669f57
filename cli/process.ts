import { homePath, openHome } from '../core/home.ts';
import { makeLogger } from '../telemetry/logger.ts';
import { registry } from '../telemetry/metrics.ts';
import { startTelemetry } from '../telemetry/otel.ts';
import { watchProcess } from '../telemetry/process-metrics.ts';
import { commandLine, PLACES, usageError } from './command-line.ts';
import { startProcessor } from './roles/processor.ts';
import type { Role } from './roles/role.ts';
import { startStore } from './roles/store.ts';
import { configFile, loadSettings, messagingSystem } from './settings.ts';
import { waitForSignal } from './signal.ts';

const USAGE = `Usage: toolmeter process [--only processor|store] [--config FILE] [--home FOLDER]

Runs processors (raw events → calls) and the store's sink (calls → ClickHouse) against Kafka and ClickHouse. Run as many
copies as wanted: partitions are divided among them.
`;

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, { ...PLACES, only: { type: 'string' } });
  if (line === null) return 0;
  const { values } = line;
  if (values.only !== undefined && values.only !== 'processor' && values.only !== 'store')
    throw usageError(`--only takes processor or store, not "${values.only}"`);
  const settings = loadSettings(configFile(values.config));
  const log = makeLogger({ level: settings.config.telemetry.level, name: 'process' });
  const context = { settings, home: openHome(values.home ?? homePath()), log };
  const telemetry = await startTelemetry({
    endpoint: settings.config.telemetry.otlp_endpoint,
    messagingSystem: messagingSystem(settings.config),
    serviceName: 'toolmeter-process',
    registry,
    log,
  });
  const unwatch = watchProcess(registry);
  const roles: Role[] = [];
  if (values.only !== 'processor') roles.push(await startStore(context));
  if (values.only !== 'store') roles.push(await startProcessor(context));
  process.stdout.write(
    `Processing: ${settings.config.log.brokers.join(', ') || 'embedded log'} → ${settings.config.store.url ?? 'embedded ClickHouse'}\n`,
  );
  await waitForSignal();
  for (const role of roles.reverse()) await role.stop();
  await telemetry?.shutdown();
  unwatch();
  return 0;
}
