import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../core/log.ts';
import { formatUsd, parseUsd } from '../../core/money.ts';
import type { EventLog } from '../../eventlog/port.ts';
import { tickRecord } from '../../processors/outputs.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { openStore } from '../../store/client.ts';
import { SINK_TOPICS } from '../../store/sink.ts';
import { costLine, costOf, eventually, meteredCall, record, testLog } from '../support/calls-topic.ts';

/** `TOOLMETER_TEST_KILLS` for more. */
const KILLS = Number(process.env.TOOLMETER_TEST_KILLS ?? 8);
const ROWS_A_ROUND = 1_200;
const PARTITIONS = 2;

let folder: string;
let log: EventLog;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-kill-'));
  log = await testLog(folder, PARTITIONS);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await log.close();
  rmSync(folder, { recursive: true, force: true });
});

const storeFolder = (): string => join(folder, 'store');

async function startChild(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./sink-child.ts', import.meta.url)), join(folder, 'log.sqlite'), storeFolder()],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.add(child);
  const [line] = (await Promise.race([
    once(child.stdout!, 'data'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the sink's process ended with ${code}`);
    }),
  ])) as [Buffer];
  expect(line.toString()).toBe('ready\n');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  children.delete(child);
}

describe('the sink, killed', () => {
  it(`keeps every row once and every pico-dollar over ${KILLS} × SIGKILL`, { timeout: 120_000 }, async () => {
    let sent = 0;
    let pico = 0n;
    const round = async (): Promise<void> => {
      for (let n = 0; n < ROWS_A_ROUND; n += 100) {
        const rows = Array.from({ length: 100 }, () => {
          const raw = Math.floor(sent / PARTITIONS);
          const row = meteredCall(raw, costOf([costLine('compute', formatUsd(BigInt(sent) * 7_919n + 1n))]));
          pico += parseUsd(row.cost_usd)!;
          return record(row, sent++ % PARTITIONS);
        });
        await log.append([...rows, tickRecord(0, Date.now()), tickRecord(1, Date.now())]);
        await sleep(10);
      }
    };
    for (let n = 0; n < KILLS; n++) {
      const child = await startChild();
      const writing = round();
      await sleep(Math.random() * 700);
      await kill(child);
      await writing;
    }
    const last = await startChild();
    const { group, topic } = SINK_TOPICS[0]!;
    expect(topic).toBe(TOPICS.calls);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await eventually(
        async () => {
          const { high, committed } = await log.watermarks(topic, partition, group);
          return committed === high;
        },
        `partition ${partition} is in the table`,
        60_000,
      );
    }
    await kill(last);

    const store = await openStore({ database: 'toolmeter', path: storeFolder(), log: silentLog });
    const client = await store.newClient();
    const [found] = await client.query(
      `SELECT count() AS n, uniqExact(event_id) AS ids, uniqExact(partition, offset) AS places, toString(sum(cost_usd)) AS usd FROM calls`,
    );
    expect(found).toEqual({ n: `${sent}`, ids: `${sent}`, places: `${sent}`, usd: formatUsd(pico) });
    const [ticks] = await client.query('SELECT uniqExact(partition, offset) AS n FROM ticks');
    expect(ticks).toEqual({ n: `${(sent / 100) * 2}` });
    expect(await client.query('SELECT count() AS n FROM dead_letters')).toEqual([{ n: '0' }]);
    await store.close();
  });
});
