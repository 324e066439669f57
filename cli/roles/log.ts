import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Home } from '../../core/home.ts';
import type { Log } from '../../core/log.ts';
import { retry } from '../../core/retry.ts';
import type { EventLog } from '../../eventlog/port.ts';
import type { OnSkipped } from '../../eventlog/skipped.ts';
import { topicSpecs } from '../../schemas/topics.ts';
import { embedded, readSecret, type Settings } from '../settings.ts';

const DAY_MS = 86_400_000;

/** Failures that pass: brokers that are not there yet, and topics that they have not told each other of. */
const PASSING = new Set(['TM_LOG_UNAVAILABLE', 'TM_TOPIC_UNKNOWN']);

interface LogOptions {
  /**
   * Of the embedded log: `FULL` (its default) survives power loss with each commit, `NORMAL` with the next `FULL`
   * commit of any connection.
   */
  readonly synchronous?: 'FULL' | 'NORMAL';
  readonly onSkipped?: OnSkipped;
}

/** The log that the configuration names; its topics may still be missing. */
export async function openLog(
  { config }: Settings,
  home: Home,
  log: Log,
  options: LogOptions = {},
): Promise<EventLog> {
  return embedded(config).log ? openEmbedded(home, log, options) : openKafka(config.log, log, options);
}

/** Makes the log's topics. Waits for brokers that are not there, and says so, until `signal` aborts. */
export async function ensureTopics(
  eventLog: EventLog,
  { config }: Settings,
  log: Log,
  signal?: AbortSignal,
): Promise<void> {
  const specs = topicSpecs(config.log.partitions ?? (eventLog.kind === 'embedded' ? 1 : 6), {
    raw: config.log.raw_retention_days * DAY_MS,
    calls: config.log.calls_retention_days * DAY_MS,
    dlq: config.log.dlq_retention_days * DAY_MS,
  });
  await retry(() => eventLog.ensureTopics(specs), {
    pauseMs: 200,
    maxPauseMs: 5_000,
    attempts: Number.POSITIVE_INFINITY,
    retryable: (error) => error instanceof ToolmeterError && PASSING.has(error.code),
    onRetry: (error, attempt) => log.warn({ attempt }, `waiting for the log: ${messageOf(error)}`),
    ...(signal !== undefined && { signal }),
  });
}

async function openEmbedded(home: Home, log: Log, options: LogOptions): Promise<EventLog> {
  const { openEmbeddedLog } = await import('../../eventlog/embedded/index.ts');
  return openEmbeddedLog({ path: home.log, log, ...options });
}

async function openKafka(
  config: Settings['config']['log'],
  log: Log,
  { onSkipped }: LogOptions,
): Promise<EventLog> {
  const { openKafkaLog, readTls } = await import('../../eventlog/kafka/index.ts');
  const tls = readTls(config.ssl, {
    ca: config.ssl_ca_file,
    cert: config.ssl_cert_file,
    key: config.ssl_key_file,
  });
  return openKafkaLog({
    brokers: config.brokers,
    clientId: config.client_id,
    ...(tls !== undefined && { tls }),
    ...(config.sasl && {
      sasl: {
        mechanism: config.sasl.mechanism,
        username: config.sasl.username,
        password: readSecret(config.sasl.password),
      },
    }),
    compression: config.compression,
    log,
    ...(onSkipped !== undefined && { onSkipped }),
  });
}
