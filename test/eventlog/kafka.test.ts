import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { hasCode } from '../../eventlog/errors.ts';
import { openKafkaLog } from '../../eventlog/kafka/index.ts';
import type { EventLog, NewRecord, OwnedPartition, Subscription } from '../../eventlog/port.ts';
import { TOPICS, topicSpecs } from '../../schemas/topics.ts';
import { startKafkaOrSkip } from '../support/kafka/index.ts';

const kafka = await startKafkaOrSkip();
const PARTITIONS = 4;

/** What only a cluster can do to a log, beside what both logs promise (`test/contract/eventlog.ts`). */
describe.skipIf(kafka === null)('the Kafka log', () => {
  const opened: EventLog[] = [];
  const group = (): string => `group-${randomBytes(6).toString('hex')}`;

  const open = async (): Promise<EventLog> => {
    const log = await openKafkaLog({
      brokers: kafka?.brokers ?? [],
      clientId: 'toolmeter-test',
      sessionTimeoutMs: 2_000,
    });
    opened.push(log);
    return log;
  };

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
  });
  afterAll(async () => {
    await kafka?.stop();
  });

  /** Copies raw i to calls i until its ownership ends. */
  const copy = async (owned: OwnedPartition): Promise<void> => {
    let from = (await owned.committed())?.offset ?? 0n;
    while (!owned.signal.aborted) {
      const records = await owned.read(from, { maxRecords: 50, maxBytes: 16e6, waitMs: 200 });
      const last = records.at(-1);
      if (last === undefined) continue;
      from = last.offset + 1n;
      const copies = records.map(
        ({ value }): NewRecord => ({ topic: TOPICS.calls, partition: owned.partition, value }),
      );
      await owned.transact(copies, { offset: from, metadata: '' });
    }
  };

  const valuesOf = async (log: EventLog, from: readonly bigint[]): Promise<string[][]> =>
    Promise.all(
      from.map(async (offset, partition) => {
        const values: string[] = [];
        for await (const { value } of log.scan(TOPICS.calls, partition, offset)) values.push(String(value));
        return values;
      }),
    );

  const ends = (log: EventLog, topic: (typeof TOPICS)['raw' | 'calls']): Promise<bigint[]> =>
    Promise.all(
      Array.from(
        { length: PARTITIONS },
        async (_, partition) => (await log.watermarks(topic, partition)).high,
      ),
    );

  /** Appends `count` numbered records to each partition, again until all of them are in. */
  const produce = async (log: EventLog, count: number, pauseMs: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await log.append(
        Array.from({ length: PARTITIONS }, (_, partition) => ({
          topic: TOPICS.raw,
          partition,
          value: `${partition}:${i}`,
        })),
      );
      if (pauseMs > 0) await sleep(pauseMs);
    }
  };

  const expected = (count: number): string[][] =>
    Array.from({ length: PARTITIONS }, (_, partition) =>
      Array.from({ length: count }, (_, i) => `${partition}:${i}`),
    );

  test('a member that comes, and one that goes, lose and repeat nothing, and nobody dies', async () => {
    const [one, two] = [await open(), await open()];
    await one.ensureTopics(topicSpecs(PARTITIONS));
    const [name, errors] = [group(), [] as unknown[]];
    const start = (log: EventLog): Subscription =>
      log.subscribe(name, TOPICS.raw, copy, {
        // Without a partition: the group could not be joined yet, as on a broker that has just started.
        onError: (error, partition) => partition !== null && errors.push(error),
      });
    const first = start(one);
    await first.ready;
    const producing = produce(one, 300, 10);
    await sleep(1_000);
    const second = start(two);
    await expect
      .poll(() => [first.partitions().length, second.partitions().length], { timeout: 60_000 })
      .toEqual([2, 2]);
    await sleep(500);
    await first.close();
    await expect.poll(() => second.partitions(), { timeout: 60_000 }).toEqual([0, 1, 2, 3]);
    await producing;
    await expect
      .poll(async () => (await valuesOf(one, [0n, 0n, 0n, 0n])).map((values) => values.length), {
        timeout: 60_000,
      })
      .toEqual([300, 300, 300, 300]);
    expect(await valuesOf(one, [0n, 0n, 0n, 0n])).toEqual(expected(300));
    await second.close();
    // Being given to another is the only thing that may have happened to a partition.
    expect(errors.filter((error) => !hasCode(error, 'TM_PARTITION_LOST'))).toEqual([]);
  }, 180_000);

  test('a broker that is killed and comes back: what was acknowledged is copied once', async (context) => {
    if (!kafka?.own) context.skip('the broker is not ours to kill');
    const log = await open();
    await log.ensureTopics(topicSpecs(PARTITIONS));
    const name = group();
    const [rawFrom, callsFrom] = [await ends(log, TOPICS.raw), await ends(log, TOPICS.calls)];
    const subscription = log.subscribe(
      name,
      TOPICS.raw,
      async (owned) => {
        if ((await owned.committed()) === null)
          await owned.transact([], { offset: rawFrom[owned.partition] as bigint, metadata: '' });
        await copy(owned);
      },
      { onError: () => {} },
    );
    await expect.poll(() => subscription.partitions().length, { timeout: 60_000 }).toBe(PARTITIONS);
    await produce(log, 50, 5);
    const down = kafka?.kill();
    const results = { taken: [] as number[], unavailable: 0 };
    const producing = (async () => {
      for (let i = 50; i < 150; i++) {
        const records = Array.from({ length: PARTITIONS }, (_, partition) => ({
          topic: TOPICS.raw,
          partition,
          value: `${partition}:${i}`,
        }));
        try {
          await log.append(records);
          results.taken.push(i);
        } catch (error) {
          // The pump would send these again; whether they are in is not known.
          expect(error).toMatchObject({ code: 'TM_LOG_UNAVAILABLE' });
          results.unavailable++;
          i--;
        }
        await sleep(10);
      }
    })();
    await down;
    await expect(log.ping()).rejects.toMatchObject({ code: 'TM_LOG_UNAVAILABLE' });
    await kafka?.restart();
    await producing;
    expect(results.taken).toHaveLength(100);
    await log.ping();
    const raws = await Promise.all(
      rawFrom.map(async (from, partition) => {
        const values: string[] = [];
        for await (const { value } of log.scan(TOPICS.raw, partition, from)) values.push(String(value));
        return values;
      }),
    );
    // All that was acknowledged is in the log, in order (an unanswered append may be there twice: at least once).
    expect(raws.map((values) => [...new Set(values)])).toEqual(expected(150));
    // And what is in the log was copied exactly once.
    await expect
      .poll(async () => (await valuesOf(log, callsFrom)).map((values) => values.length), { timeout: 60_000 })
      .toEqual(raws.map((values) => values.length));
    expect(await valuesOf(log, callsFrom)).toEqual(raws);
    await subscription.close();
  }, 180_000);

  test('a log that is opened before its broker is there waits, says so, and works when it is', async (context) => {
    if (!kafka?.own) context.skip('the broker is not ours to kill');
    await kafka?.kill();
    const log = await open();
    await expect(log.ping()).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      hint: expect.stringMatching(/brokers/),
    });
    const [errors, read] = [[] as unknown[], [] as string[]];
    const subscription = log.subscribe(
      group(),
      TOPICS.dlq,
      async (owned) => {
        const { high } = await log.watermarks(TOPICS.dlq, owned.partition);
        let from = high > 0n ? high - 1n : 0n;
        while (!owned.signal.aborted) {
          const records = await owned.read(from, { maxRecords: 50, maxBytes: 16e6, waitMs: 200 });
          for (const record of records) read.push(String(record.value));
          from = (records.at(-1)?.offset ?? from - 1n) + 1n;
        }
      },
      { onError: (error) => errors.push(error) },
    );
    await expect.poll(() => errors.length, { timeout: 60_000 }).toBeGreaterThan(0);
    expect(errors[0]).toMatchObject({ code: 'TM_LOG_UNAVAILABLE' });
    await expect(log.append([{ topic: TOPICS.dlq, partition: 0, value: 'lost' }])).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
    });
    await kafka?.restart();
    await subscription.ready;
    await log.append([{ topic: TOPICS.dlq, partition: 0, value: 'here' }]);
    await expect.poll(() => read, { timeout: 60_000 }).toContain('here');
    await subscription.close();
  }, 180_000);

  test('aborted records are never seen, also where the transactions of two producers interleave', async () => {
    const { Kafka, logLevel } = (await import('kafkajs')).default;
    const log = await open();
    await log.ensureTopics(topicSpecs(PARTITIONS));
    const client = new Kafka({
      brokers: kafka?.brokers ?? [],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 5, retries: 12 },
    });
    const expectedValues: string[] = [];
    const aborts = 40;
    const write = async (name: string): Promise<void> => {
      const producer = client.producer({ transactionalId: `${name}-${group()}`, idempotent: true });
      await producer.connect();
      for (let i = 0; i < aborts * 2; i++) {
        const transaction = await producer.transaction();
        const commits = i % 2 === 1;
        for (let part = 0; part < 3; part++) {
          const value = `${name}.${i}.${part}`;
          await transaction.send({ topic: TOPICS.alerts, messages: [{ partition: 0, value }] });
          if (commits) expectedValues.push(value);
        }
        await (commits ? transaction.commit() : transaction.abort());
      }
      await producer.disconnect();
    };
    const read: string[] = [];
    const subscription = log.subscribe(group(), TOPICS.alerts, async (owned) => {
      let from = 0n;
      while (!owned.signal.aborted) {
        // One record at a time and few bytes: fetches begin and end in the middle of transactions.
        const records = await owned.read(from, { maxRecords: 1, maxBytes: 300, waitMs: 200 });
        read.push(...records.map(({ value }) => String(value)));
        from = (records.at(-1)?.offset ?? from - 1n) + 1n;
      }
    });
    await Promise.all([write('a'), write('b')]);
    await expect.poll(() => read.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(expectedValues.length);
    const scanned: string[] = [];
    for await (const { value } of log.scan(TOPICS.alerts, 0)) scanned.push(String(value));
    expect(scanned.toSorted()).toEqual(expectedValues.toSorted());
    expect(read).toEqual(scanned);
    await subscription.close();
  }, 180_000);

  test.each(['none', 'gzip', 'zstd'] as const)(
    'what is written with %s is read by everyone',
    async (compression) => {
      const log = await openKafkaLog({
        brokers: kafka?.brokers ?? [],
        clientId: 'toolmeter-test',
        compression,
      });
      opened.push(log);
      await log.ensureTopics(topicSpecs(PARTITIONS));
      const before = (await log.watermarks(TOPICS.dlq, 1)).high;
      const values = [randomBytes(50_000).toString('hex'), '', 'ü'.repeat(10_000)];
      await log.append(values.map((value) => ({ topic: TOPICS.dlq, partition: 1, value })));
      const read: string[] = [];
      for await (const { value } of (await open()).scan(TOPICS.dlq, 1, before)) read.push(String(value));
      expect(read.map((value) => value.length)).toEqual(values.map((value) => value.length));
      expect(read.join() === values.join()).toBe(true);
    },
  );

  test('settings that others made stay, ours are brought up to date', async () => {
    const { Kafka, ConfigResourceTypes, logLevel } = (await import('kafkajs')).default;
    const log = await open();
    await log.ensureTopics(topicSpecs(PARTITIONS));
    const admin = new Kafka({ brokers: kafka?.brokers ?? [], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const settings = async (): Promise<Record<string, string>> => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: TOPICS.raw }],
      });
      return Object.fromEntries(
        (resources[0]?.configEntries ?? []).map(({ configName, configValue }) => [configName, configValue]),
      );
    };
    expect(await settings()).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': String(7 * 86_400_000),
      'message.timestamp.type': 'LogAppendTime',
    });
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: ConfigResourceTypes.TOPIC,
          name: TOPICS.raw,
          configEntries: [
            { name: 'retention.ms', value: '1000' },
            { name: 'max.compaction.lag.ms', value: '12345678' },
          ],
        },
      ],
    });
    await log.ensureTopics(topicSpecs(PARTITIONS));
    expect(await settings()).toMatchObject({
      'retention.ms': String(7 * 86_400_000),
      'max.compaction.lag.ms': '12345678',
    });
    await admin.disconnect();
  });
});
