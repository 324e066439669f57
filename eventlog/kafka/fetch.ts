import type { Cluster } from 'kafkajs';
import { ToolmeterError } from '../../core/errors.ts';
import { topicUnknown } from '../errors.ts';
import type { LogRecord } from '../port.ts';
import { type AbortedTransaction, committedOnly } from './aborted.ts';
import { rootOf, typeOf } from './errors.ts';

/** A record as kafkajs decodes it from a fetch. */
export interface FetchedMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | Buffer[]>>;
  readonly isControlRecord: boolean;
  readonly batchContext: {
    readonly producerId: string;
    readonly inTransaction: boolean;
    readonly firstOffset: string;
    readonly lastOffsetDelta: number;
  };
}

/** A partition's part of a fetch response, as kafkajs decodes it. */
interface FetchedPartition {
  readonly lastStableOffset: string;
  readonly abortedTransactions: readonly AbortedTransaction[];
  readonly messages: readonly FetchedMessage[];
}

/** What one fetch brought. */
export interface Fetched {
  readonly records: LogRecord[];
  /** Where the next fetch goes on, past markers and aborted records too; where this one began when it brought nothing. */
  readonly next: bigint;
  /** The last stable offset: nothing at or after it is committed yet. */
  readonly stable: bigint;
  /** The oldest offset, where retention had passed the one that was asked for. */
  readonly low: bigint | null;
}

export interface Bounds {
  readonly low: bigint;
  /** The last stable offset. */
  readonly high: bigint;
}

/** Bytes, compressed, of one fetch: bounds what is in memory. One record batch comes whole, however large. */
const MAX_FETCH_BYTES = 4 * 1024 * 1024;
const READ_COMMITTED = 1;
/** Where there must be something, a broker that answers nothing (it may throttle) is asked this often. */
const SILENCE_MS = 100;
const MAX_SILENCES = 20;

/** The protocol's errors for a request that went to the wrong broker. kafkajs' names are those of older versions. */
const STALE = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'NOT_COORDINATOR_FOR_GROUP',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
]);

/**
 * Reads of single partitions without a group, by Kafka's fetch request: a pull, as the port is, where kafkajs'
 * consumer pushes; and its position moves over markers, which the consumer never shows. One reader waits on one
 * connection: partitions that are read at the same time have one each.
 */
export class PartitionReader {
  readonly #cluster: Cluster;
  readonly #topics = new Set<string>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /**
   * Committed records from an offset on, up to `maxBytes` (compressed), waiting up to `waitMs` for the first. Where
   * retention has passed the offset: from the oldest on.
   * @throws ToolmeterError TM_LOG_TRUNCATED where the offset is past the end; kafkajs' errors where brokers fail.
   */
  async fetch(
    topic: string,
    partition: number,
    from: bigint,
    maxBytes: number,
    waitMs: number,
  ): Promise<Fetched> {
    try {
      return await this.#fetch(topic, partition, from, maxBytes, waitMs);
    } catch (error) {
      if (typeOf(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
      const { low } = await this.bounds(topic, partition);
      if (from < low) return { ...(await this.#fetch(topic, partition, low, maxBytes, waitMs)), low };
      throw new ToolmeterError(
        'TM_LOG_TRUNCATED',
        `Partition ${partition} of ${topic} ends before offset ${from}, which was read already.`,
        'The topic was recreated, or lost records in an unclean leader election. Reset the group to its end.',
      );
    }
  }

  /**
   * Committed records of [from, to), fetch by fetch; `to` is no later than the last stable offset.
   * @param compacted Whether the topic is: then a batch may have been emptied, and be skipped.
   */
  async *range(
    topic: string,
    partition: number,
    { from, to, compacted }: { from: bigint; to: bigint; compacted: boolean },
  ): AsyncGenerator<LogRecord[]> {
    for (let position = from, silences = 0; position < to; ) {
      const { records, next } = await this.fetch(topic, partition, position, MAX_FETCH_BYTES, SILENCE_MS);
      if (next > position) {
        silences = 0;
        position = next;
        yield next > to ? records.filter(({ offset }) => offset < to) : records;
      } else if (++silences === MAX_SILENCES) {
        if (!compacted)
          throw new Error(
            `${topic} ${partition} answers nothing from offset ${position} on, but ends at ${to}`,
          );
        position += 1n;
      }
    }
  }

  /** Oldest and last stable offset. */
  async bounds(topic: string, partition: number): Promise<Bounds> {
    return this.#onBroker(topic, partition, async () => {
      const at = async (fromBeginning: boolean): Promise<bigint> => {
        const [answer] = await this.#cluster.fetchTopicsOffset([
          { topic, partitions: [{ partition }], fromBeginning },
        ]);
        const offset = answer?.partitions[0]?.offset;
        if (offset === undefined) throw topicUnknown(topic, partition);
        return BigInt(offset);
      };
      return { low: await at(true), high: await at(false) };
    });
  }

  /** How many partitions a topic has. @throws ToolmeterError TM_TOPIC_UNKNOWN */
  async partitionCount(topic: string): Promise<number> {
    await this.#target(topic);
    return this.#cluster.findTopicPartitionMetadata(topic).length;
  }

  /** A group's committed offset and its text. */
  async committed(
    group: string,
    topic: string,
    partition: number,
  ): Promise<{ offset: bigint; metadata: string } | null> {
    return this.#onBroker(topic, partition, async () => {
      const coordinator = await this.#cluster.findGroupCoordinator({ groupId: group });
      // kafkajs' type wants offsets in the question, too; the protocol has none there.
      const question = [{ topic, partitions: [{ partition, offset: '' }] }];
      const { responses } = await coordinator.offsetFetch({ groupId: group, topics: question });
      const answer = responses[0]?.partitions[0] as { offset: string; metadata?: string | null } | undefined;
      if (answer === undefined || BigInt(answer.offset) < 0n) return null;
      return { offset: BigInt(answer.offset), metadata: answer.metadata ?? '' };
    });
  }

  /** Makes sure that a broker answers. */
  async ping(): Promise<void> {
    await this.#onBroker(null, 0, () => this.#cluster.refreshMetadata());
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect();
  }

  async #fetch(
    topic: string,
    partition: number,
    from: bigint,
    maxBytes: number,
    waitMs: number,
  ): Promise<Fetched> {
    const size = Math.max(1, Math.min(maxBytes, MAX_FETCH_BYTES));
    return this.#onBroker(topic, partition, async (nodeId) => {
      const broker = await this.#cluster.findBroker({ nodeId });
      const { responses } = (await broker.fetch({
        isolationLevel: READ_COMMITTED,
        maxWaitTime: Math.max(0, Math.floor(waitMs)),
        minBytes: 1,
        maxBytes: size,
        topics: [{ topic, partitions: [{ partition, fetchOffset: from.toString(), maxBytes: size }] }],
      })) as { responses: { partitions: FetchedPartition[] }[] };
      const answer = responses[0]?.partitions[0];
      if (answer === undefined) return { records: [], next: from, stable: from, low: null };
      return toFetched(answer, from);
    });
  }

  /** Runs a request against the partition's leader; on a failure, forgets what may be stale before it passes it on. */
  async #onBroker<T>(
    topic: string | null,
    partition: number,
    request: (nodeId: string) => Promise<T>,
  ): Promise<T> {
    try {
      if (topic === null) {
        await this.#cluster.connect();
        return await request('');
      }
      await this.#target(topic);
      const [nodeId] = Object.keys(this.#cluster.findLeaderForPartitions(topic, [partition]));
      if (nodeId === undefined) throw topicUnknown(topic, partition);
      return await request(nodeId);
    } catch (error) {
      await this.#forget(error);
      throw error;
    }
  }

  async #target(topic: string): Promise<void> {
    await this.#cluster.connect();
    try {
      if (!this.#topics.has(topic)) await this.#cluster.addTargetTopic(topic);
      this.#topics.add(topic);
      await this.#cluster.refreshMetadataIfNecessary();
    } catch (error) {
      if (typeOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') throw topicUnknown(topic, undefined, error);
      throw error;
    }
  }

  async #forget(error: unknown): Promise<void> {
    const root = rootOf(error);
    if (root.name === 'KafkaJSConnectionClosedError' && root.host !== undefined && root.port !== undefined)
      this.#cluster.removeBroker({ host: root.host, port: root.port });
    // The broker answered, but not as the leader, or knows of no such partition: the metadata is old. When it can't be
    // had anew either, the first error says more.
    if (STALE.has(typeOf(error))) await this.#cluster.refreshMetadata().catch(() => {});
  }
}

/** The committed records of an answer, from `from` on (a batch is sent whole), and where to go on. */
function toFetched(answer: FetchedPartition, from: bigint): Fetched {
  const stable = BigInt(answer.lastStableOffset);
  const last = answer.messages.at(-1);
  // Nothing may also mean that the broker throttles: it is never a reason to go on.
  if (last === undefined) return { records: [], next: from, stable, low: null };
  const records: LogRecord[] = [];
  for (const message of committedOnly(answer.messages, answer.abortedTransactions)) {
    const offset = BigInt(message.offset);
    if (offset < from) continue;
    records.push({
      offset,
      appendedAtMs: Number(message.timestamp),
      key: message.key === null ? null : message.key.toString(),
      value: message.value,
      headers: headersOf(message.headers),
    });
  }
  // The end of its batch, not of what compaction has left of it.
  const { firstOffset, lastOffsetDelta } = last.batchContext;
  return { records, next: BigInt(firstOffset) + BigInt(lastOffsetDelta) + 1n, stable, low: null };
}

/** Of a header that is there twice, the last value. */
function headersOf(headers: FetchedMessage['headers']): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name] as Buffer | Buffer[];
    texts[name] = (Array.isArray(value) ? (value.at(-1) ?? '') : value).toString();
  }
  return texts;
}
