import type { Home } from '../../core/home.ts';
import type { Log } from '../../core/log.ts';
import type { EventLog } from '../../eventlog/port.ts';
import { topicSpecs } from '../../schemas/topics.ts';
import { readSecret, type Settings } from '../settings.ts';

const DAY_MS = 86_400_000;

/** The log that the configuration names, with its topics made. */
export async function openLog({ config }: Settings, home: Home, log: Log): Promise<EventLog> {
  const embedded = config.log.brokers.length === 0;
  const eventLog = embedded ? await openEmbedded(home, log) : await openKafka(config.log, log);
  await eventLog.ensureTopics(
    topicSpecs(config.log.partitions ?? (embedded ? 1 : 6), {
      raw: config.log.raw_retention_days * DAY_MS,
      calls: config.log.calls_retention_days * DAY_MS,
      dlq: config.log.dlq_retention_days * DAY_MS,
    }),
  );
  return eventLog;
}

async function openEmbedded(home: Home, log: Log): Promise<EventLog> {
  const { openEmbeddedLog } = await import('../../eventlog/embedded/index.ts');
  return openEmbeddedLog({ path: home.log, log });
}

async function openKafka(config: Settings['config']['log'], log: Log): Promise<EventLog> {
  const { openKafkaLog } = await import('../../eventlog/kafka/index.ts');
  return openKafkaLog({
    brokers: config.brokers,
    clientId: config.client_id,
    ssl: config.ssl,
    ...(config.sasl && {
      sasl: {
        mechanism: config.sasl.mechanism,
        username: config.sasl.username,
        password: readSecret(config.sasl.password),
      },
    }),
    compression: config.compression,
    log,
  });
}
