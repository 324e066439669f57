import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Log, silentLog } from '../../core/log.ts';
import type { EventLog } from '../../eventlog/port.ts';
import { tickRecord } from '../../processors/outputs.ts';
import { startMaintenance } from '../../store/maintenance.ts';
import { startSink } from '../../store/sink.ts';
import { boundSystemLogs } from '../../store/system-logs.ts';
import { eventually, meteredCall, record, TestClock, testLog } from '../support/calls-topic.ts';
import { embeddedStore, insertCalls, type TestStore } from '../support/clickhouse.ts';

let test: TestStore;
let folder: string;
let log: EventLog;
const clock = new TestClock('2026-03-10T12:00:00Z');
beforeAll(async () => {
  test = await embeddedStore();
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-log-'));
  log = await testLog(folder, 2, clock);
});
afterAll(async () => {
  await log.close();
  await test.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('maintenance', () => {
  it('seals a day once the ticks of all partitions say that it is over, and alarms on a difference', async () => {
    const errors: string[] = [];
    const telling: Log = { ...silentLog, error: (_, message) => void errors.push(message) };
    const sink = startSink({ eventLog: log, store: test.store, log: silentLog, lingerMs: 10 });
    const maintenance = startMaintenance({
      store: test.store,
      eventLog: log,
      log: telling,
      clock,
      everyMs: 20,
      retention: { contentDays: 30, callsMonths: 13, deadLetterDays: 90 },
    });
    const sealed = async (): Promise<string[]> =>
      (
        await test.client.query<{ day: string }>(
          'SELECT toString(day) AS day FROM calls_hourly WHERE marker ORDER BY day',
        )
      ).map((row) => row.day);
    try {
      await log.append([record(meteredCall(0)), tickRecord(0, clock.nowMs()), tickRecord(1, clock.nowMs())]);
      clock.set('2026-03-11T00:00:05Z');
      await log.append([record(meteredCall(1)), tickRecord(0, clock.nowMs())]);
      await eventually(async () => sink.stats().rows === 2, 'the rows');
      await eventually(
        async () => maintenance.stats().lastRunMs >= clock.nowMs(),
        'a look that came after the rows',
      );
      expect(await sealed()).toEqual([]);
      await log.append([tickRecord(1, clock.nowMs())]);
      await eventually(async () => (await sealed()).length === 1, 'the seal');
      expect(await sealed()).toEqual(['2026-03-10']);
      await eventually(async () => maintenance.stats().sealedDays === 1, 'the count, which follows the row');
      expect(maintenance.stats().lastError).toBeNull();
      await insertCalls(
        test.client,
        [{ row: meteredCall(9), recordedAt: '2026-03-10T13:00:00Z' }],
        await log.logId(),
      );
      clock.set('2026-03-12T00:00:05Z');
      await eventually(async () => maintenance.stats().differences === 1, 'the nightly check');
      expect(errors).toContain('a sealed day differs from its rows');
    } finally {
      await maintenance.close();
      await sink.close();
    }
  });

  it('the embedded engine has no logs of its own that grow', async () => {
    expect(await boundSystemLogs(test.client, silentLog)).toEqual([]);
    expect(
      await test.client.query(
        "SELECT name FROM system.tables WHERE database = 'system' AND match(name, '_log(_[0-9]+)?$') AND total_bytes > 0",
      ),
    ).toEqual([]);
  });
});
