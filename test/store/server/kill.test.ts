import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { silentLog } from '../../../core/log.ts';
import { formatUsd, parseUsd } from '../../../core/money.ts';
import { tickRecord } from '../../../processors/outputs.ts';
import { TOPICS } from '../../../schemas/topics.ts';
import { openStore } from '../../../store/client.ts';
import { migrate } from '../../../store/migrate.ts';
import { SINK_TOPICS, startSink } from '../../../store/sink.ts';
import { costLine, costOf, eventually, meteredCall, record, testLog } from '../../support/calls-topic.ts';
import { freePort, type RunningProcess, startToolmeter } from '../../support/toolmeter.ts';

/** `TOOLMETER_TEST_KILLS` for more. */
const KILLS = Number(process.env.TOOLMETER_TEST_KILLS ?? 6);
const ROWS_A_ROUND = 1_200;

const folder = mkdtempSync(join(tmpdir(), 'toolmeter-store-kill-'));
const running = new Set<RunningProcess>();
afterAll(async () => {
  for (const process of running) await process.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** `toolmeter store` on this port, once it answers. */
async function startStore(port: number, home = join(folder, 'home')): Promise<RunningProcess> {
  const child = startToolmeter(['store', '--home', home], { TOOLMETER_CLICKHOUSE_HTTP_PORT: String(port) });
  running.add(child);
  await eventually(
    async () => {
      if (child.child.exitCode !== null) throw new Error(`it ended: ${child.output()}`);
      return (await fetch(`http://127.0.0.1:${port}/ping`).catch(() => null))?.status === 200;
    },
    'toolmeter store answers',
    30_000,
  );
  return child;
}

it(`toolmeter store, killed ${KILLS} times during inserts: every row once, every pico-dollar`, async () => {
  const port = await freePort();
  let server = await startStore(port);
  const store = await openStore({ url: `http://127.0.0.1:${port}`, database: 'toolmeter', log: silentLog });
  const client = await store.newClient();
  await migrate(client, silentLog);
  const log = await testLog(folder);
  const sink = startSink({ eventLog: log, store, log: silentLog, lingerMs: 5 });
  try {
    await sink.ready;
    let sent = 0;
    let pico = 0n;
    const round = async (): Promise<void> => {
      for (let n = 0; n < ROWS_A_ROUND; n += 100) {
        const rows = Array.from({ length: 100 }, () => {
          const row = meteredCall(
            sent,
            costOf([costLine('compute', formatUsd(BigInt(sent++) * 7_919n + 1n))]),
          );
          pico += parseUsd(row.cost_usd)!;
          return record(row);
        });
        await log.append([...rows, tickRecord(0, Date.now())]);
        await sleep(10);
      }
    };
    for (let n = 0; n < KILLS; n++) {
      const writing = round();
      await sleep(Math.random() * 500);
      await server.kill();
      running.delete(server);
      server = await startStore(port);
      await writing;
    }
    const { group, topic } = SINK_TOPICS[0]!;
    expect(topic).toBe(TOPICS.calls);
    await eventually(
      async () => {
        const { high, committed } = await log.watermarks(topic, 0, group);
        return committed === high;
      },
      'all is in the table',
      60_000,
    );
    expect(sink.stats().retries).toBeGreaterThan(0);
    const [found] = await client.query(
      'SELECT count() AS n, uniqExact(event_id) AS ids, uniqExact(partition, offset) AS places, toString(sum(cost_usd)) AS usd FROM calls',
    );
    expect(found).toEqual({ n: `${sent}`, ids: `${sent}`, places: `${sent}`, usd: formatUsd(pico) });
    expect(await client.query('SELECT count() AS n FROM dead_letters')).toEqual([{ n: '0' }]);
  } finally {
    await sink.close();
    await log.close();
    await store.close();
  }
}, 180_000);

it('ends by itself at SIGTERM, and a second one on its folder is told who has it', async () => {
  const home = join(folder, 'other');
  const port = await freePort();
  const server = await startStore(port, home);
  const second = startToolmeter(['store', '--home', home], { TOOLMETER_CLICKHOUSE_HTTP_PORT: '0' });
  running.add(second);
  await eventually(async () => second.child.exitCode !== null, 'the second one ends');
  expect(second.child.exitCode).toBe(2);
  expect(second.output()).toContain(`is in use by pid ${server.child.pid}`);
  const slow = fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'SELECT sleep(1), 7' });
  await eventually(async () => {
    const asked = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep%'";
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: asked });
    return (await answer.text()) === '1\n';
  }, 'the slow statement runs');
  await server.kill('SIGTERM');
  expect(await (await slow).text()).toBe('0\t7\n');
  expect(server.child.exitCode).toBe(0);
});

it('toolmeter up serves the same store read-only where it is asked to', async () => {
  const home = join(folder, 'up');
  const [api, port] = [await freePort(), await freePort()];
  const up = startToolmeter(['up', '--home', home], {
    TOOLMETER_API_PORT: String(api),
    TOOLMETER_CLICKHOUSE_HTTP_PORT: String(port),
    KAFKA_BROKERS: '',
    CLICKHOUSE_URL: '',
  });
  running.add(up);
  await eventually(
    async () => up.output().includes(`http://127.0.0.1:${port}`),
    'up tells its address',
    30_000,
  );
  const ask = async (sql: string): Promise<[number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: sql });
    return [answer.status, await answer.text()];
  };
  expect(await ask('SELECT count() FROM calls')).toEqual([200, '0\n']);
  expect((await ask('DROP TABLE calls'))[0]).toBe(403);
  expect((await ask("SELECT * FROM file('/etc/passwd', 'LineAsString')"))[0]).toBe(403);
  await up.kill('SIGTERM');
  expect(up.child.exitCode).toBe(0);
});
