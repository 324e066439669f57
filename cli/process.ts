import { parseArgs } from 'node:util';
import { homePath, openHome } from '../core/home.ts';
import { makeLogger } from '../telemetry/logger.ts';
import { registry } from '../telemetry/metrics.ts';
import { startTelemetry } from '../telemetry/otel.ts';
import { startProcessor } from './roles/processor.ts';
import type { Role } from './roles/role.ts';
import { startStore } from './roles/store.ts';
import { configFile, loadSettings } from './settings.ts';
import { waitForSignal } from './signal.ts';

const USAGE = `Usage: toolmeter process [--only processor|store] [--config FILE] [--home FOLDER]

Runs processors (raw events → calls) and the store's sink (calls → ClickHouse) against Kafka and ClickHouse. Run as many
copies as wanted: partitions are divided among them.
`;

export async function run(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      only: { type: 'string' },
      config: { type: 'string' },
      home: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.only !== undefined && values.only !== 'processor' && values.only !== 'store') {
    process.stderr.write(USAGE);
    return 2;
  }
  const settings = loadSettings(configFile(values.config));
  const log = makeLogger({ level: settings.config.telemetry.level, name: 'process' });
  const context = { settings, home: openHome(values.home ?? homePath()), log };
  const telemetry = await startTelemetry({
    endpoint: settings.config.telemetry.otlp_endpoint,
    serviceName: 'toolmeter-process',
    registry,
    log,
  });
  const roles: Role[] = [];
  if (values.only !== 'processor') roles.push(await startStore(context));
  if (values.only !== 'store') roles.push(await startProcessor(context));
  process.stdout.write(
    `Processing: ${settings.config.log.brokers.join(', ') || 'embedded log'} → ${settings.config.store.url ?? 'embedded ClickHouse'}\n`,
  );
  await waitForSignal();
  for (const role of roles.reverse()) await role.stop();
  await telemetry?.shutdown();
  return 0;
}
