/**
 * One measurement of `bench/pipeline.ts`, in a process of its own: WHAT COUNT. Sends `{ perSecond, rssMb }` to its
 * parent.
 */
import kafkajs from 'kafkajs';
import { ensureTopics, openLog } from '../cli/roles/log.ts';
import { openConfiguredStore } from '../cli/roles/store.ts';
import { startThread } from '../cli/roles/thread.ts';
import { loadSettings } from '../cli/settings.ts';
import { openHome } from '../core/home.ts';
import { silentLog } from '../core/log.ts';
import { sleep } from '../core/retry.ts';
import { registerCompression } from '../eventlog/kafka/compression.ts';
import { partitionsAt } from '../schemas/partition.ts';
import { TOPICS } from '../schemas/topics.ts';
import { loadEmbeddedEngine } from '../store/client.ts';
import { laneRecords, mixedCalls } from './load.ts';

const [what, countText] = process.argv.slice(2) as [string, string];
const count = Number(countText);
const home = openHome();
const settings = loadSettings(null);
const CHUNK = 2_000;

let rssMb = 0;
const watch = setInterval(() => {
  rssMb = Math.max(rssMb, process.memoryUsage.rss() / 2 ** 20);
}, 50);

/** Appends the load to the raw topic: one lane a partition. In a process of its own, so that no measurement has its memory. */
async function fill(): Promise<number> {
  const log = await openLog(settings, home, silentLog);
  await ensureTopics(log, settings, silentLog);
  const partitions = partitionsAt(await log.schedule(), Date.now());
  for (let partition = 0; partition < partitions; partition++) {
    let chunk: Parameters<typeof log.append>[0][number][] = [];
    for (const record of laneRecords(mixedCalls(Math.floor(count / partitions), partition + 1), partition)) {
      chunk.push({ topic: TOPICS.raw, partition, ...record });
      if (chunk.length === CHUNK) {
        await log.append(chunk);
        chunk = [];
      }
    }
    await log.append(chunk);
  }
  await log.close();
  return 0;
}

/** Raw records in the log → rows that a query counts. */
async function pipeline(): Promise<number> {
  await loadEmbeddedEngine();
  const fail = (error: Error): never => {
    throw error;
  };
  const store = await startThread('store', settings, home.path, fail);
  const asking = await openConfiguredStore(settings, home, silentLog);
  const client = await asking.newClient();
  const partitions = await partitionCount();
  const expected = Math.floor(count / partitions) * partitions;
  const processor = await startThread('processor', settings, home.path, fail);
  // From the first rows to the last: what loads once (tokenizers, prices) is not a rate.
  let begun = 0;
  let already = 0;
  for (;;) {
    const [row] = await client.query<{ n: string }>('SELECT count() AS n FROM calls');
    const rows = Number(row?.n);
    if (begun === 0 && rows > 0) {
      begun = performance.now();
      already = rows;
    }
    if (rows >= expected) break;
    await sleep(200);
  }
  const seconds = (performance.now() - begun) / 1000;
  await processor.stop();
  await store.stop();
  await asking.close();
  return (expected - already) / seconds;
}

async function partitionCount(): Promise<number> {
  const log = await openLog(settings, home, silentLog);
  const count = partitionsAt(await log.schedule(), Date.now());
  await log.close();
  return count;
}

/** The bare client, inserting the rows that the pipeline made, as objects, 10,000 at a time, into a table like theirs. */
async function storeInsert(): Promise<number> {
  const { createClient } = await import('@clickhouse/client');
  const { createChdbConnection } = await import('chdb/connection');
  const store = await openConfiguredStore(settings, home, silentLog);
  const own = await store.newClient();
  await own.command('CREATE TABLE bare AS calls');
  const log = await openLog(settings, home, silentLog);
  const logId = await log.logId();
  const rows: object[] = [];
  for await (const record of log.scan(TOPICS.calls, 0)) {
    if (record.headers['tm-record'] !== undefined || record.value === null) continue;
    rows.push({
      ...(JSON.parse(record.value.toString('utf8')) as object),
      log_id: logId,
      partition: 0,
      offset: Number(record.offset),
      recorded_at: new Date(record.appendedAtMs).toISOString(),
    });
  }
  await log.close();
  const client = createClient({
    connection: createChdbConnection({ path: home.store }),
    database: settings.config.store.database,
  } as Parameters<typeof createClient>[0]);
  const begun = performance.now();
  for (let first = 0; first < rows.length; first += 10_000) {
    await client.insert({
      table: `${settings.config.store.database}.bare`,
      values: rows.slice(first, first + 10_000),
      format: 'JSONEachRow',
      clickhouse_settings: { date_time_input_format: 'best_effort', async_insert: 0 },
    });
  }
  const seconds = (performance.now() - begun) / 1000;
  await client.close();
  await store.close();
  return rows.length / seconds;
}

/** Bare kafkajs: consumes the raw records and produces them, in the same codec, to a topic with as many partitions. */
async function kafkaCopy(): Promise<number> {
  const compression = registerCompression(kafkajs, settings.config.log.compression);
  const kafka = new kafkajs.Kafka({
    brokers: settings.config.log.brokers as string[],
    clientId: 'bench-copy',
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  const topic = `bench-copy-${process.env.BENCH_ROUND}-${process.pid}`;
  const offsets = await admin.fetchTopicOffsets(TOPICS.raw);
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      {
        topic,
        numPartitions: offsets.length,
        configEntries: [{ name: 'max.message.bytes', value: '2000000' }],
      },
    ],
  });
  await admin.disconnect();
  const total = offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  const consumer = kafka.consumer({ groupId: topic });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await Promise.all([consumer.connect(), producer.connect()]);
  await consumer.subscribe({ topic: TOPICS.raw, fromBeginning: true });
  let copied = 0;
  let begun = 0;
  await new Promise<void>((done, fail) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error));
    consumer
      .run({
        eachBatch: async ({ batch }) => {
          begun ||= performance.now();
          for (let first = 0; first < batch.messages.length; first += 500) {
            const messages = batch.messages.slice(first, first + 500);
            await producer.send({
              topic,
              compression,
              messages: messages.map(({ key, value, headers }) => ({
                key,
                value,
                ...(headers && { headers }),
                partition: batch.partition,
              })),
            });
            copied += messages.length;
          }
          if (copied >= total) done();
        },
      })
      .catch(fail);
  });
  const seconds = (performance.now() - begun) / 1000;
  await consumer.disconnect();
  await producer.disconnect();
  return total / seconds;
}

const measures: Record<string, () => Promise<number>> = {
  fill,
  pipeline,
  'store-insert': storeInsert,
  'kafka-copy': kafkaCopy,
};
const perSecond = await (measures[what] as () => Promise<number>)();
clearInterval(watch);
process.send?.({ perSecond, rssMb });
process.disconnect?.();
