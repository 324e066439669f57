import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../core/log.ts';
import type { EventLog } from '../../eventlog/port.ts';
import { completenessRecord, tickRecord } from '../../processors/outputs.ts';
import { type Sink, startSink } from '../../store/sink.ts';
import { eventually, meteredCall, record, testLog } from '../support/calls-topic.ts';
import { embeddedStore, type TestStore } from '../support/clickhouse.ts';

let test: TestStore;
let folder: string;
let log: EventLog;
let sink: Sink | undefined;

beforeAll(async () => {
  test = await embeddedStore();
});
afterAll(() => test.close());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-log-'));
  log = await testLog(folder);
});
afterEach(async () => {
  await sink?.close();
  await log.close();
  rmSync(folder, { recursive: true, force: true });
});

const start = (): Sink => {
  sink = startSink({ eventLog: log, store: test.store, log: silentLog });
  return sink;
};
const count = async (where: string): Promise<number> =>
  Number((await test.client.query<{ n: string }>(`SELECT count() AS n FROM ${where}`))[0]!.n);

describe('sink', () => {
  it('makes a row of each record, every field as it was', async () => {
    const row = meteredCall(7, { tags: { a: 'b' }, pii: { email: 2 }, error_text: 'línea\n"x"' });
    await log.append([record(row)]);
    start();
    const logId = await log.logId();
    const [found] = await eventually(async () => {
      const rows = await test.client.query<Record<string, unknown>>(
        'SELECT * FROM calls WHERE log_id = {id:String}',
        {
          id: logId,
        },
      );
      return rows.length > 0 && rows;
    }, 'the row');
    const { log_id, partition, offset, recorded_at, ...rest } = found!;
    expect({ log_id, partition, offset }).toEqual({ log_id: logId, partition: 0, offset: '0' });
    expect(Math.abs(Date.parse(recorded_at as string) - Date.now())).toBeLessThan(60_000);
    const quoted = [
      'seq',
      'duration_us',
      'arguments_bytes',
      'result_bytes',
      'media_bytes',
      'raw_offset',
    ] as const;
    const expected: Record<string, unknown> = { ...row };
    for (const name of [...quoted, 'tokens_arguments', 'tokens_result', 'tokens_definitions'] as const)
      expected[name] = String(row[name]);
    expected.cost_usd = '0.250012';
    expect(rest).toEqual(expected);
  });

  it('puts ticks, completeness and dead letters into their tables', async () => {
    await log.append([
      record(meteredCall(0)),
      tickRecord(0, Date.now()),
      completenessRecord(
        {
          collector: 'c1',
          instance: 'i1',
          epoch: '019a0000-0000-7000-8000-000000000001',
          lane: 0,
          expected: 3,
          landed: 2,
          dead: 0,
          dropped: 0,
          missing: [[2, 2]],
          missing_count: 1,
          first_seen: '2026-03-10T12:00:00.000Z',
          last_seen: '2026-03-10T12:00:01.000Z',
          ended: false,
          verdict: 'missing',
        },
        0,
      ),
    ]);
    start();
    const logId = await log.logId();
    await eventually(async () => (await count(`ticks WHERE log_id = '${logId}'`)) === 1, 'the tick');
    expect(
      await test.client.query(`SELECT expected, missing FROM completeness FINAL WHERE log_id = '${logId}'`),
    ).toEqual([{ expected: '3', missing: [['2', '2']] }]);
    expect(await count(`calls WHERE log_id = '${logId}'`)).toBe(1);
  });
});
