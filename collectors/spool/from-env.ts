import { readFileSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { ToolmeterError } from '../../core/errors.ts';
import { ingestUrl } from '../../core/home.ts';
import type { EventLog } from '../../eventlog/port.ts';
import type { Destination, LogDestination } from './destination.ts';

type Env = Record<string, string | undefined>;

/**
 * The destination that the environment names: Kafka where `TOOLMETER_BROKERS`, `TOOLMETER_LOG_BROKERS` or
 * `KAFKA_BROKERS` holds brokers (kafkajs is only imported then, at the first batch), else the ingest endpoint
 * (`TOOLMETER_URL`, default loopback). TLS and SASL are set as for the processors: `TOOLMETER_LOG_SSL`,
 * `TOOLMETER_LOG_SSL_CA_FILE`, `…_CERT_FILE`, `…_KEY_FILE`, `TOOLMETER_LOG_SASL_MECHANISM`, `…_USERNAME`, `…_PASSWORD_ENV` or `…_PASSWORD_FILE`.
 */
export function destinationFromEnv(env: Env = process.env): Destination {
  const brokers = (env.TOOLMETER_BROKERS ?? env.TOOLMETER_LOG_BROKERS ?? env.KAFKA_BROKERS ?? '')
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  if (brokers.length > 0) return kafkaDestination(brokers, env);
  return {
    kind: 'http',
    url: ingestUrl(env),
    ...(env.TOOLMETER_TOKEN !== undefined && { token: env.TOOLMETER_TOKEN }),
  };
}

/** Connections that nothing has used for this long are closed: kafkajs' timers would keep a host's process alive. */
const IDLE_MS = 1_000;

/**
 * The log is opened at the first batch, and again after it was idle; brokers that aren't there make a batch fail, and
 * the pump tries again.
 */
function kafkaDestination(brokers: readonly string[], env: Env): LogDestination {
  let opening: Promise<EventLog> | undefined;
  let using = 0;
  let idle: NodeJS.Timeout | undefined;

  const close = async (): Promise<void> => {
    clearTimeout(idle);
    const log = opening;
    opening = undefined;
    await (await log)?.close();
  };
  const use = async <T>(work: (log: EventLog) => Promise<T>): Promise<T> => {
    clearTimeout(idle);
    using++;
    try {
      opening ??= openKafka(brokers, env).catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return await work(await opening);
    } finally {
      using--;
      // A failure to close is the brokers' going away, which the next batch will tell of.
      if (using === 0) idle = setTimeout(() => void close().catch(() => {}), IDLE_MS).unref();
    }
  };
  return {
    kind: 'log',
    id: `kafka:${[...brokers].sort().join(',')}`,
    append: (records) => use((log) => log.append(records)),
    schedule: () => use((log) => log.schedule()),
    close,
  };
}

async function openKafka(brokers: readonly string[], env: Env): Promise<EventLog> {
  const { openKafkaLog, readTls } = await import('../../eventlog/kafka/index.ts');
  const sasl = saslFrom(env);
  const tls = readTls(isTrue(env.TOOLMETER_LOG_SSL), {
    ca: env.TOOLMETER_LOG_SSL_CA_FILE,
    cert: env.TOOLMETER_LOG_SSL_CERT_FILE,
    key: env.TOOLMETER_LOG_SSL_KEY_FILE,
  });
  return openKafkaLog({
    brokers,
    clientId: env.TOOLMETER_LOG_CLIENT_ID ?? 'toolmeter-collector',
    ...(tls !== undefined && { tls }),
    compression: 'zstdCompress' in zlib ? 'zstd' : 'gzip',
    ...(sasl !== undefined && { sasl }),
  });
}

const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

function saslFrom(
  env: Env,
): { mechanism: (typeof MECHANISMS)[number]; username: string; password: string } | undefined {
  const name = env.TOOLMETER_LOG_SASL_MECHANISM;
  if (name === undefined || name === '') return undefined;
  const mechanism = MECHANISMS.find((known) => known === name);
  const username = env.TOOLMETER_LOG_SASL_USERNAME;
  const file = env.TOOLMETER_LOG_SASL_PASSWORD_FILE;
  const password =
    file !== undefined ? readFileSync(file, 'utf8').trim() : env[env.TOOLMETER_LOG_SASL_PASSWORD_ENV ?? ''];
  if (mechanism === undefined || username === undefined || password === undefined)
    throw new ToolmeterError(
      'TM_CONFIG',
      'The SASL settings of the environment are not complete.',
      `Set TOOLMETER_LOG_SASL_MECHANISM (${MECHANISMS.join(', ')}), _USERNAME and _PASSWORD_ENV or _PASSWORD_FILE.`,
    );
  return { mechanism, username, password };
}

function isTrue(value: string | undefined): boolean {
  return value === '1' || value?.toLowerCase() === 'true';
}
