import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { LogDestination } from '../../collectors/spool/destination.ts';
import { destinationFromEnv } from '../../collectors/spool/from-env.ts';
import { openKafkaLog, readTls } from '../../eventlog/kafka/index.ts';
import type { EventLog } from '../../eventlog/port.ts';
import { TOPICS, topicSpecs } from '../../schemas/topics.ts';
import { startKafkaOrSkip } from '../support/kafka/index.ts';
import { type SecuredKafka, startSecuredKafka } from '../support/kafka/secured.ts';

const kafka = await startKafkaOrSkip(startSecuredKafka);
const folder = mkdtempSync(join(tmpdir(), 'toolmeter-secured-'));
const opened: EventLog[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((log) => log.close()));
});
afterAll(async () => {
  await kafka?.stop();
  rmSync(folder, { recursive: true, force: true });
});

type Options = Partial<Parameters<typeof openKafkaLog>[0]>;

async function open(brokers: readonly string[], options: Options): Promise<EventLog> {
  const log = await openKafkaLog({
    brokers,
    clientId: 'toolmeter-test',
    sessionTimeoutMs: 2_000,
    ...options,
  });
  opened.push(log);
  return log;
}

/** Every kind of connection there is: administration, a producer, a group, fetches, a transaction. */
async function works(log: EventLog): Promise<void> {
  await log.ensureTopics(topicSpecs(1));
  const value = randomBytes(8).toString('hex');
  await log.append([{ topic: TOPICS.raw, partition: 0, value }]);
  const copied = Promise.withResolvers<string[]>();
  const subscription = log.subscribe(`group-${value}`, TOPICS.raw, async (owned) => {
    let from = 0n;
    const seen: string[] = [];
    while (!owned.signal.aborted && !seen.includes(value)) {
      const records = await owned.read(from, { maxRecords: 50, maxBytes: 16e6, waitMs: 200 });
      seen.push(...records.map((record) => String(record.value)));
      from = (records.at(-1)?.offset ?? from - 1n) + 1n;
    }
    await owned.transact([{ topic: TOPICS.calls, partition: 0, value }], { offset: from, metadata: '' });
    copied.resolve(seen);
    await new Promise((resolve) => owned.signal.addEventListener('abort', resolve));
  });
  expect(await copied.promise).toContain(value);
  await subscription.close();
  const calls: string[] = [];
  for await (const record of log.scan(TOPICS.calls, 0)) calls.push(String(record.value));
  expect(calls).toContain(value);
}

describe.skipIf(kafka === null)('a Kafka cluster that asks for', () => {
  const { passwordBrokers, certificateBrokers, username, password, files } = kafka as SecuredKafka;
  const sasl = { mechanism: 'plain', username, password } as const;

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
    'a password by %s, over TLS',
    async (mechanism) => {
      const tls = readTls(true, { ca: files.ca })!;
      await works(await open(passwordBrokers, { tls, sasl: { ...sasl, mechanism } }));
    },
  );

  test('a client certificate', async () => {
    await works(await open(certificateBrokers, { tls: readTls(false, files)! }));
  });

  test('a password: a collector gets it from its environment', async () => {
    writeFileSync(join(folder, 'password'), `${password}\n`, { mode: 0o600 });
    const destination = destinationFromEnv({
      TOOLMETER_LOG_BROKERS: passwordBrokers.join(','),
      TOOLMETER_LOG_SSL_CA_FILE: files.ca,
      TOOLMETER_LOG_SASL_MECHANISM: 'scram-sha-256',
      TOOLMETER_LOG_SASL_USERNAME: username,
      TOOLMETER_LOG_SASL_PASSWORD_FILE: join(folder, 'password'),
    }) as LogDestination;
    try {
      expect(await destination.append([{ topic: TOPICS.raw, partition: 0, value: 'x' }])).toEqual([
        { ok: true },
      ]);
    } finally {
      await destination.close?.();
    }
  });

  test('a password says which setting is wrong where it is', async () => {
    const log = await open(passwordBrokers, {
      tls: readTls(true, { ca: files.ca })!,
      sasl: { ...sasl, password: 'wrong' },
    });
    const error = await log.ping().catch((problem: unknown) => problem);
    expect(error).toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      hint: 'Check log.sasl: mechanism, username and password.',
    });
    expect(JSON.stringify(error) + String(error)).not.toContain('wrong');
  });

  test('TLS says that its authority is not trusted, and how to', async () => {
    await expect((await open(passwordBrokers, { tls: {}, sasl })).ping()).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      hint: expect.stringContaining('log.ssl_ca_file'),
    });
  });

  test('TLS says so to who speaks without it', async () => {
    await expect((await open(passwordBrokers, {})).ping()).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      hint: expect.stringContaining('log.ssl'),
    });
  });

  test('no TLS says so to who speaks it', async () => {
    await expect((await open(kafka?.brokers ?? [], { tls: {} })).ping()).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      hint: expect.stringContaining('speak no TLS'),
    });
  });

  test('a client certificate says so to who has none', async () => {
    await expect(
      (await open(certificateBrokers, { tls: { ...readTls(true, { ca: files.ca }) } })).ping(),
    ).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      hint: expect.stringContaining('log.ssl_cert_file'),
    });
  });
});
