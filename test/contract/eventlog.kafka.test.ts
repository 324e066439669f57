import { type Admin, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe } from 'vitest';
import { mendRequestQueue } from '../../eventlog/kafka/request-queue.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { startKafkaOrSkip } from '../support/kafka/index.ts';
import { eventLogContract } from './eventlog.ts';

const kafka = await startKafkaOrSkip();

describe.skipIf(kafka === null)('the Kafka log', () => {
  const connect = (): Admin =>
    new Kafka({ brokers: kafka?.brokers ?? [], logLevel: logLevel.NOTHING }).admin();
  let admin: Admin;

  beforeAll(async () => {
    mendRequestQueue();
    admin = connect();
    await admin.connect();
  });

  afterAll(async () => {
    await admin?.disconnect();
    await kafka?.stop();
  });

  eventLogContract({
    kills: 5,
    async fresh() {
      const ours: string[] = Object.values(TOPICS);
      const topics = (await admin.listTopics()).filter((topic) => ours.includes(topic));
      if (topics.length > 0) await admin.deleteTopics({ topics });
      return { kind: 'kafka', brokers: kafka?.brokers ?? [] };
    },
    async dropBefore(_place, topic, partition, offset) {
      // A client of its own: kafkajs deletes nothing in a topic that it has not looked up, and keeps what it looked up.
      const deleter = connect();
      await deleter.connect();
      await deleter.fetchTopicOffsets(topic);
      await deleter.deleteTopicRecords({ topic, partitions: [{ partition, offset: offset.toString() }] });
      await deleter.disconnect();
    },
  });
});
