import { type Gateway, openCallerKeys, openGateway } from '../collectors/gateway/index.ts';
import { destinationFromEnv, openOutbox } from '../collectors/spool/index.ts';
import { type Home, homePath, openHome } from '../core/home.ts';
import type { Log } from '../core/log.ts';
import { createScrubber } from '../processors/scrub/index.ts';
import { makeLogger } from '../telemetry/logger.ts';
import { registry } from '../telemetry/metrics.ts';
import { watchOutbox } from '../telemetry/watch.ts';
import { callerKeysFile } from './caller-keys-file.ts';
import { commandLine, PLACES, usageError } from './command-line.ts';
import { configFile, loadSettings, readSecret, type Settings } from './settings.ts';
import { waitForSignal } from './signal.ts';

const USAGE = `Usage: toolmeter gateway [--config FILE] [--home FOLDER]

Stands in front of MCP servers that speak Streamable HTTP, passes everything through as it is, and meters each call. The
gateway section of toolmeter.yaml names the servers; a server called NAME is then at /servers/NAME/mcp. Callers show a
key that \`toolmeter keys create --caller NAME\` makes. Run as many copies as wanted.
`;

/** `toolmeter gateway`: until SIGINT or SIGTERM; open calls are then waited for. */
export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, PLACES);
  if (line === null) return 0;
  const { values } = line;
  const settings = loadSettings(configFile(values.config));
  if (Object.keys(settings.config.gateway.servers).length === 0)
    throw usageError('the configuration names no server under gateway.servers');
  const log = makeLogger({ level: settings.config.telemetry.level, name: 'gateway' });
  const { gateway, stop } = await startGateway(settings, openHome(values.home ?? homePath()), log);
  const servers = Object.keys(settings.config.gateway.servers).map((name) => `/servers/${name}/mcp`);
  process.stdout.write(`Gateway: ${gateway.url}\n  ${servers.join('\n  ')}\n`);
  await waitForSignal();
  await stop();
  return 0;
}

/** A gateway with the outbox that it publishes by. `stop` drains the one and closes the other. */
export async function startGateway(
  settings: Settings,
  home: Home,
  log: Log,
): Promise<{ gateway: Gateway; stop(): Promise<void> }> {
  const { config } = settings;
  const outbox = openOutbox({
    home,
    destination: destinationFromEnv(destinationEnv(settings)),
    durability: 'full',
    log,
  });
  try {
    const gateway = await openGateway({
      config: config.gateway,
      keys: openCallerKeys(callerKeysFile(settings, home), undefined, log),
      upstreamHeaders: Object.fromEntries(
        Object.entries(config.gateway.servers).map(([name, { headers }]) => [
          name,
          Object.fromEntries(Object.entries(headers).map(([header, ref]) => [header, readSecret(ref)])),
        ]),
      ),
      outbox,
      capture: {
        scrubber: createScrubber({ key: home.keys.pseudonym }),
        contentKey: home.keys.content,
        maxBytes: config.capture.max_bytes,
      },
      log,
    });
    const unwatch = watchOutbox(registry, 'gateway', () => outbox.stats());
    return {
      gateway,
      async stop() {
        await gateway.close();
        await outbox.close();
        unwatch();
      },
    };
  } catch (error) {
    await outbox.close(0);
    throw error;
  }
}

/** The collectors' own variables, where they are not set, say what the configuration says of the log. */
function destinationEnv({ config }: Settings): NodeJS.ProcessEnv {
  const { log } = config;
  if (log.brokers.length === 0) return process.env;
  const { sasl } = log;
  return {
    TOOLMETER_LOG_BROKERS: log.brokers.join(','),
    TOOLMETER_LOG_SSL: String(log.ssl),
    ...(log.ssl_ca_file !== undefined && { TOOLMETER_LOG_SSL_CA_FILE: log.ssl_ca_file }),
    ...(log.ssl_cert_file !== undefined && { TOOLMETER_LOG_SSL_CERT_FILE: log.ssl_cert_file }),
    ...(log.ssl_key_file !== undefined && { TOOLMETER_LOG_SSL_KEY_FILE: log.ssl_key_file }),
    ...(sasl && {
      TOOLMETER_LOG_SASL_MECHANISM: sasl.mechanism,
      TOOLMETER_LOG_SASL_USERNAME: sasl.username,
      ...('env' in sasl.password
        ? { TOOLMETER_LOG_SASL_PASSWORD_ENV: sasl.password.env }
        : { TOOLMETER_LOG_SASL_PASSWORD_FILE: sasl.password.file }),
    }),
    ...process.env,
  };
}
