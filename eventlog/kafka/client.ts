import type { Cluster, Kafka, KafkaConfig, LogEntry, Producer, SASLOptions } from 'kafkajs';
import type { Log } from '../../core/log.ts';
import { type Compression, registerCompression } from './compression.ts';
import type { Tls } from './tls.ts';

export interface KafkaConnection {
  /** `host:port`, at least one that answers at the start. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** TLS, with what differs from the system's settings. */
  readonly tls?: Tls;
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /** How batches are compressed on the wire and on the brokers' disks. */
  readonly compression?: Compression;
}

/**
 * Pauses between tries: most refusals (a transaction that is just ending, a coordinator that is loading) are over
 * within milliseconds, and kafkajs' own 300 ms made a transaction three times as long. About five seconds in all.
 */
const RETRY = { initialRetryTime: 5, multiplier: 2, retries: 10, maxRetryTime: 2_000 } as const;

/**
 * A producer's pauses stay short: the usual reason is that the broker is still ending the transaction before, and a
 * doubling pause would overshoot that by as much again. About five seconds in all, too.
 */
const PRODUCER_RETRY = { initialRetryTime: 5, multiplier: 1.5, retries: 50, maxRetryTime: 100 } as const;

/** A transaction that its owner doesn't end in this time is ended by the broker: it holds readers back. */
const TRANSACTION_TIMEOUT_MS = 15_000;

/** New partitions and moved leaders are noticed within this time. */
export const METADATA_MAX_AGE_MS = 30_000;

/** kafkajs, set up: the one place that makes its clients. */
export class KafkaClient {
  readonly #kafka: Kafka;
  readonly #module: typeof import('kafkajs');
  /** kafkajs' number of the codec that batches are written with. */
  readonly compression: number;

  constructor(module: typeof import('kafkajs'), connection: KafkaConnection, log: Log) {
    this.#module = module;
    this.compression = registerCompression(module, connection.compression ?? 'zstd');
    const { sasl } = connection;
    const config: KafkaConfig = {
      brokers: [...connection.brokers],
      clientId: connection.clientId,
      connectionTimeout: 3_000,
      requestTimeout: 30_000,
      retry: RETRY,
      logLevel: module.logLevel.WARN,
      logCreator: () => (entry) => writeLog(log, entry),
      ...(connection.tls && { ssl: { ...connection.tls } }),
      // kafkajs ties a mechanism's name to its options' type; ours are the same for all three.
      ...(sasl && { sasl: { ...sasl } as SASLOptions }),
    };
    this.#kafka = new module.Kafka(config);
  }

  admin(): ReturnType<Kafka['admin']> {
    return this.#kafka.admin();
  }

  /** An idempotent producer; with an id, a transactional one. */
  producer(transactionalId?: string): Producer {
    return this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      retry: PRODUCER_RETRY,
      createPartitioner: this.#module.Partitioners.DefaultPartitioner,
      ...(transactionalId !== undefined && { transactionalId, transactionTimeout: TRANSACTION_TIMEOUT_MS }),
    });
  }

  consumer(groupId: string, settings: { sessionTimeoutMs: number }): ReturnType<Kafka['consumer']> {
    return this.#kafka.consumer({
      groupId,
      sessionTimeout: settings.sessionTimeoutMs,
      rebalanceTimeout: Math.max(settings.sessionTimeoutMs, 10_000),
      heartbeatInterval: Math.min(1_000, settings.sessionTimeoutMs / 3),
      // Its fetches are all paused (see `subscription.ts`): this is how often it looks at its heartbeat.
      maxWaitTimeInMs: 200,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      retry: { ...RETRY, restartOnFailure: async () => false },
    });
  }

  /**
   * A connection to the brokers, read-committed, for single requests. kafkajs has none of its own, but hands its
   * cluster to a consumer's assigner (https://kafka.js.org/docs/consuming, "Custom partition assigner"): so a consumer
   * that is never run lends it.
   */
  cluster(): Cluster {
    let lent: Cluster | undefined;
    this.#kafka.consumer({
      groupId: 'unused',
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      partitionAssigners: [
        (config) => {
          lent = config.cluster;
          return this.#module.PartitionAssigners.roundRobin(config);
        },
      ],
    });
    if (lent === undefined) throw new Error('kafkajs did not hand its cluster to the assigner');
    return lent;
  }
}

/** kafkajs' own words; it calls errors what it will try again. Its entries hold addresses and names, no payloads. */
function writeLog(log: Log, { namespace, log: entry }: LogEntry): void {
  log.debug({ kafkajs: namespace, broker: entry.broker, err: entry.error }, entry.message);
}
