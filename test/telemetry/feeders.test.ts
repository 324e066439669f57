import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openApiKeys } from '../../api/auth/keys.ts';
import { openOutbox } from '../../collectors/spool/index.ts';
import { openHome } from '../../core/home.ts';
import { silentLog } from '../../core/log.ts';
import { openEmbeddedLog } from '../../eventlog/embedded/index.ts';
import { PROCESSOR_GROUP } from '../../processors/processor.ts';
import { TOPICS, topicSpecs } from '../../schemas/topics.ts';
import { openStore } from '../../store/client.ts';
import { migrate } from '../../store/migrate.ts';
import { METRICS, type MetricName } from '../../telemetry/metric-table.ts';
import { prometheusName } from '../../telemetry/prometheus.ts';
import { TestCall } from '../collectors/spool/support.ts';
import { eventually, meteredCall, TestClock } from '../support/calls-topic.ts';
import { insertCalls, insertTick } from '../support/clickhouse.ts';
import { observedCall } from '../support/events.ts';
import { faultyStoreServer } from '../support/store-server.ts';
import { freePort, scratchFolder, startToolmeter, untilReady } from '../support/toolmeter.ts';
import { otlpReceiver } from './otlp-receiver.ts';

const NAMES = Object.keys(METRICS) as MetricName[];
const DAY_MS = 86_400_000;
const daysAgo = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString();

/** Only told of here at 0: nothing in this test is refused for good, and no seal is wrong. */
const ZERO_HERE: readonly MetricName[] = ['toolmeter.outbox.records.dropped'];

/** A log in which retention has dropped five records that the processors' group had not read; resolves with its id. */
async function logWithGap(path: string): Promise<string> {
  const seeding = await openEmbeddedLog({ path, clock: new TestClock(daysAgo(10)) });
  await seeding.ensureTopics(topicSpecs(1));
  await new Promise<void>((resolve, reject) => {
    const subscription = seeding.subscribe(PROCESSOR_GROUP, TOPICS.raw, async (owned) => {
      await owned.transact([], { offset: 0n, metadata: '' }).catch(reject);
      void subscription.close().then(resolve, reject);
    });
  });
  await seeding.append(
    Array.from({ length: 5 }, () => ({ topic: TOPICS.raw, partition: 0, value: '{}' }) as const),
  );
  const logId = await seeding.logId();
  await seeding.close();
  const sweeping = await openEmbeddedLog({ path, sweepMs: 20 });
  await expect.poll(async () => (await sweeping.watermarks(TOPICS.raw, 0)).low).toBe(5n);
  await sweeping.close();
  return logId;
}

/** A store with a recorded day that is closed and not sealed. */
async function closedDay(url: string, logId: string): Promise<void> {
  const store = await openStore({ url, database: 'toolmeter', log: silentLog });
  const client = await store.newClient();
  await migrate(client, silentLog);
  await insertCalls(client, [{ row: meteredCall(0), recordedAt: daysAgo(1) }], logId);
  await insertTick(client, daysAgo(0), 0, logId);
  await store.close();
}

/** Values by name of the table: a counter's sum over its series, a histogram's count. */
function readMetrics(text: string): Map<MetricName, number> {
  const values = new Map<MetricName, number>();
  for (const name of NAMES) {
    const exposed = prometheusName(name) + (METRICS[name].kind === 'histogram' ? '_count' : '');
    for (const line of text.split('\n')) {
      if (!line.startsWith(`${exposed}{`) && !line.startsWith(`${exposed} `)) continue;
      values.set(name, (values.get(name) ?? 0) + Number(line.slice(line.lastIndexOf(' '))));
    }
  }
  return values;
}

test('every metric that is declared is fed by a running toolmeter up, on /metrics and over OTLP', async () => {
  const scratch = scratchFolder();
  const home = openHome(join(scratch.path, 'home'));
  const receiver = await otlpReceiver();
  const clickHouse = await faultyStoreServer(join(scratch.path, 'clickhouse'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const directory = join(scratch.path, 'directory.yaml');
  writeFileSync(directory, 'rules: []\n');
  const { key } = openApiKeys(home.path).create({
    name: 'test',
    role: 'admin',
    teams: null,
    expiresAt: null,
  });
  await closedDay(clickHouse.url, await logWithGap(home.log));
  // A collector that died with an event in its spool.
  const dead = openOutbox({ home, destination: { kind: 'http', url } });
  dead.end(new TestCall());
  await dead.close(0);

  const running = startToolmeter(['up'], {
    TOOLMETER_HOME: home.path,
    TOOLMETER_API_PORT: String(port),
    TOOLMETER_STORE_URL: clickHouse.url,
    TOOLMETER_DIRECTORY: directory,
    TOOLMETER_TELEMETRY_OTLP_ENDPOINT: receiver.url,
  });
  try {
    await untilReady(url, running);
    const get = (path: string, init: RequestInit = {}) =>
      fetch(`${url}${path}`, { ...init, headers: { authorization: `Bearer ${key}`, ...init.headers } });
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    writeFileSync(directory, 'rules: []\n# changed\n');
    clickHouse.loseAnswers(1);
    const event = observedCall();
    const posted = await get('/v1/events', {
      method: 'POST',
      body: JSON.stringify(event),
      headers: { authorization: `Bearer ${home.collectorToken}`, 'content-type': 'application/json' },
    });
    expect(posted.status).toBe(202);
    await eventually(
      async () => (await get(`/v1/calls/${event.event_id}`)).status === 200,
      `the call in the API; output:\n${running.output()}`,
      30_000,
    );

    let values = new Map<MetricName, number>();
    const missing = (): MetricName[] =>
      NAMES.filter((name) => {
        const value = values.get(name);
        const mayBeZero = METRICS[name].kind === 'gauge' || ZERO_HERE.includes(name);
        return value === undefined || (value === 0 && !mayBeZero);
      });
    await expect
      .poll(
        async () => {
          values = readMetrics(await (await get('/metrics')).text());
          return missing();
        },
        { timeout: 20_000, interval: 250 },
      )
      .toEqual([]);
    expect(values.get('toolmeter.log.skipped')).toBe(5);
    expect(values.get('toolmeter.seal.days')).toBe(1);
    expect(values.get('toolmeter.config.reloads')).toBe(1);

    const { parts } = (await (await get('/readyz')).json()) as { parts: { name: string; detail: string }[] };
    expect(parts.find(({ name }) => name === 'processor')?.detail).toContain(
      '5 offsets were dropped by retention before they were read',
    );
    expect(running.output().split('TM_LOG_SKIPPED')).toHaveLength(2);

    await running.kill('SIGTERM');
    expect(new Set(receiver.metrics.map((metric) => metric.name))).toEqual(new Set(NAMES));
  } finally {
    await running.kill();
    await clickHouse.close();
    await receiver.close();
    scratch.remove();
  }
}, 180_000);
