import type { Message, ProducerBatch, RecordMetadata, TopicMessages } from 'kafkajs';
import type { Topic } from '../../schemas/topics.ts';
import { topicUnknown } from '../errors.ts';
import type { NewRecord } from '../port.ts';

/** A producer or an open transaction. */
interface Sender {
  sendBatch(batch: ProducerBatch): Promise<RecordMetadata[]>;
}

/**
 * Sends records as one request to each leader, acknowledged by all replicas in sync.
 * @throws ToolmeterError TM_TOPIC_UNKNOWN for a partition that there isn't; kafkajs drops such records silently.
 */
export async function send(
  sender: Sender,
  records: readonly NewRecord[],
  compression: number,
): Promise<void> {
  const byTopic = new Map<Topic, Message[]>();
  const wanted = new Map<string, NewRecord>();
  for (const record of records) {
    const messages = byTopic.get(record.topic);
    const message = toMessage(record);
    if (messages === undefined) byTopic.set(record.topic, [message]);
    else messages.push(message);
    wanted.set(`${record.topic}/${record.partition}`, record);
  }
  const topicMessages: TopicMessages[] = [...byTopic].map(([topic, messages]) => ({ topic, messages }));
  const answers = await sender.sendBatch({ acks: -1, compression, topicMessages });
  for (const { topicName, partition } of answers) wanted.delete(`${topicName}/${partition}`);
  for (const { topic, partition } of wanted.values()) throw topicUnknown(topic, partition);
}

function toMessage({ partition, key, value, headers }: NewRecord): Message {
  return {
    partition,
    key: key ?? null,
    value: value === null || typeof value === 'string' ? value : asBuffer(value),
    ...(headers !== undefined && { headers: { ...headers } }),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
