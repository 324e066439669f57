import { homePath, openHome } from '../core/home.ts';
import { makeLogger } from '../telemetry/logger.ts';
import { registry } from '../telemetry/metrics.ts';
import { startTelemetry } from '../telemetry/otel.ts';
import { commandLine, PLACES } from './command-line.ts';
import { startHttp } from './roles/http.ts';
import { configFile, loadSettings, messagingSystem } from './settings.ts';
import { waitForSignal } from './signal.ts';

const USAGE = `Usage: toolmeter api [--config FILE] [--home FOLDER]

Runs the query API and the ingest against Kafka and ClickHouse. Run as many copies as wanted.
`;

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, PLACES);
  if (line === null) return 0;
  const { values } = line;
  const settings = loadSettings(configFile(values.config));
  const log = makeLogger({ level: settings.config.telemetry.level, name: 'api' });
  const telemetry = await startTelemetry({
    endpoint: settings.config.telemetry.otlp_endpoint,
    messagingSystem: messagingSystem(settings.config),
    serviceName: 'toolmeter-api',
    registry,
    log,
  });
  const http = await startHttp(
    { settings, home: openHome(values.home ?? homePath()), log },
    { beside: new Map() },
  );
  process.stdout.write(`API and ingest: ${http.url}\n`);
  await waitForSignal();
  await http.stop();
  await telemetry?.shutdown();
  return 0;
}
