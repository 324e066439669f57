import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../core/log.ts';
import type { EventLog } from '../../eventlog/port.ts';
import { completenessRecord, tickRecord } from '../../processors/outputs.ts';
import { DeadLettersFilterSchema, DeadLettersResultSchema } from '../../schemas/api.ts';
import { deadLetterHeaders } from '../../schemas/dead-letter.ts';
import { HEADER } from '../../schemas/record.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { deadLetters } from '../../store/queries/index.ts';
import { type Sink, startSink } from '../../store/sink.ts';
import { eventually, meteredCall, record, TestClock, testLog } from '../support/calls-topic.ts';
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

  it('isolates rows that the store can not read, and goes on', async () => {
    const rows = Array.from({ length: 300 }, (_, n) => record(meteredCall(n)));
    const bad = (n: number, from: string, to: string): void => {
      rows[n] = { ...rows[n]!, value: (rows[n]!.value as string).replace(from, to) };
    };
    bad(17, '"duration_us":1500', '"duration_us":"many"');
    bad(18, '"cost_usd":"0.25', '"cost_usd":"1e99');
    bad(299, '"seq":300', '"seq":-1,"seq":');
    rows[120] = { ...rows[120]!, value: 'not an object' };
    await log.append(rows);
    start();
    const logId = await log.logId();
    await eventually(
      async () => (await count(`dead_letters WHERE log_id = '${logId}'`)) === 4,
      'the dead letters',
    );
    const found = await test.client.query<{ offset: string }>(
      'SELECT offset FROM calls WHERE log_id = {id:String} ORDER BY offset',
      { id: logId },
    );
    expect(found.map((row) => Number(row.offset))).toEqual(
      rows.flatMap((_, n) => ([17, 18, 120, 299].includes(n) ? [] : [n])),
    );
    expect(
      await test.client.query(
        'SELECT code, raw_offset, value_bytes > 10 AS bytes, collector FROM dead_letters WHERE log_id = {id:String} ORDER BY offset',
        { id: logId },
      ),
    ).toEqual([
      { code: 'TM_STORE_REFUSED', raw_offset: '17', bytes: 1, collector: '' },
      { code: 'TM_STORE_REFUSED', raw_offset: '18', bytes: 1, collector: '' },
      { code: 'TM_STORE_REFUSED', raw_offset: '120', bytes: 1, collector: '' },
      { code: 'TM_STORE_REFUSED', raw_offset: '299', bytes: 1, collector: '' },
    ]);
    await log.append([record(meteredCall(300))]);
    await eventually(
      async () => (await count(`calls WHERE log_id = '${logId}'`)) === 297,
      'the row after them',
    );
    expect(sink!.stats()).toMatchObject({ rows: 297, refused: 4 });
  });

  it('a refused row that is replayed comes in once, however often that is', async () => {
    const poison = record(meteredCall(1));
    const good = poison.value as string;
    await log.append([
      record(meteredCall(0)),
      { ...poison, value: good.replace('"duration_us":1500', '"duration_us":"many"') },
      record(meteredCall(2)),
    ]);
    start();
    const logId = await log.logId();
    await eventually(
      async () => (await count(`dead_letters WHERE log_id = '${logId}'`)) === 1,
      'the dead letter',
    );
    const replay = { ...poison, headers: { ...poison.headers, [HEADER.replayOf]: '0' } };
    await log.append([replay, replay]);
    await eventually(async () => (await count(`calls WHERE log_id = '${logId}'`)) === 3, 'the replayed row');
    await log.append([replay, record(meteredCall(3)), replay]);
    await eventually(
      async () => (await count(`calls WHERE log_id = '${logId}' AND raw_offset = 3`)) === 1,
      'the row after it',
    );
    expect(await count(`calls WHERE log_id = '${logId}'`)).toBe(4);
    expect(await count(`dead_letters WHERE log_id = '${logId}'`)).toBe(1);
  });

  it('refuses a raw offset that does not increase', async () => {
    await log.append([
      record(meteredCall(5)),
      record(meteredCall(5)),
      record(meteredCall(4)),
      record(meteredCall(6)),
    ]);
    start();
    const logId = await log.logId();
    await eventually(
      async () => (await count(`dead_letters WHERE log_id = '${logId}'`)) === 2,
      'the dead letters',
    );
    expect(
      await test.client.query('SELECT raw_offset FROM calls WHERE log_id = {id:String} ORDER BY offset', {
        id: logId,
      }),
    ).toEqual([{ raw_offset: '5' }, { raw_offset: '6' }]);
    expect(await count(`dead_letters WHERE log_id = '${logId}' AND code = 'TM_STORE_ORDER'`)).toBe(2);
    await sink!.close();
    await log.append([record(meteredCall(6)), record(meteredCall(7))]);
    start();
    await eventually(
      async () => (await count(`calls WHERE log_id = '${logId}'`)) === 3,
      'the mark outlives the process',
    );
  });

  it('splits what spans two recorded months, and months are of UTC', async () => {
    await log.close();
    rmSync(folder, { recursive: true, force: true });
    folder = mkdtempSync(join(tmpdir(), 'toolmeter-log-'));
    const clock = new TestClock('2026-03-31T23:59:59.990Z');
    log = await testLog(folder, 1, clock);
    for (let n = 0; n < 4; n++) {
      await log.append([record(meteredCall(n))]);
      clock.advance(5);
    }
    start();
    const logId = await log.logId();
    await eventually(async () => (await count(`calls WHERE log_id = '${logId}'`)) === 4, 'the rows');
    expect(
      await test.client.query(
        'SELECT toYYYYMM(recorded_at) AS month, count() AS n FROM calls WHERE log_id = {id:String} GROUP BY month ORDER BY month',
        { id: logId },
      ),
    ).toEqual([
      { month: 202603, n: '2' },
      { month: 202604, n: '2' },
    ]);
    expect(sink!.stats().ranges).toBe(2);
  });

  it('a dead letter’s reason is stored, never its bytes', async () => {
    const secret = 'ann@example.com';
    await log.append([
      {
        topic: TOPICS.dlq,
        partition: 0,
        value: `{"q":"${secret}"}`,
        headers: deadLetterHeaders(
          {
            code: 'TM_EVENT_SCHEMA',
            message: 'duration_us: too small',
            hint: 'See the schema.',
            failed_at: '2026-03-10T12:00:00.000Z',
            raw_partition: 0,
            raw_offset: '9223372036854775807',
          },
          {
            'tm-record': 'event',
            'tm-collector': 'c1',
            'tm-instance': 'i1',
            'tm-lane': '2',
            'tm-seq': '9',
            'tm-epoch': '019a0000-0000-7000-8000-000000000001',
          },
        ),
      },
      { topic: TOPICS.dlq, partition: 0, value: 'x', headers: { 'tm-record': 'event' } },
    ]);
    start();
    const logId = await log.logId();
    await eventually(
      async () => (await count(`dead_letters WHERE log_id = '${logId}'`)) === 1,
      'the dead letter',
    );
    const range = { from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' };
    const result = DeadLettersResultSchema.parse(
      await deadLetters(
        test.client,
        DeadLettersFilterSchema.parse({ ...range, collector: 'c1', code: 'TM_EVENT_SCHEMA' }),
      ),
    );
    expect(result.rows[0]).toMatchObject({
      code: 'TM_EVENT_SCHEMA',
      raw_offset: '9223372036854775807',
      lane: 2,
      seq: '9',
      instance: 'i1',
      value_bytes: 23,
    });
    expect(JSON.stringify(await test.client.query('SELECT * FROM dead_letters'))).not.toContain(secret);
  });

  it('does not wait for a full batch at 1,000 calls a second', async () => {
    start();
    const lags: number[] = [];
    await sink!.close();
    sink = startSink({
      eventLog: log,
      store: test.store,
      log: silentLog,
      onRange: (range) => {
        if (range.rows > 0) lags.push(range.committedAtMs - range.recordedAtMs);
      },
    });
    await sink.ready;
    const logId = await log.logId();
    for (let n = 0; n < 100; n++) {
      await log.append(Array.from({ length: 20 }, (_, k) => record(meteredCall(n * 20 + k))));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await eventually(async () => (await count(`calls WHERE log_id = '${logId}'`)) === 2_000, 'the rows');
    lags.sort((a, b) => a - b);
    // 10,000 rows would take ten seconds. (How quick it is on a quiet machine, `bench:store` and `bench:freshness` tell.)
    expect(lags.length).toBeGreaterThan(3);
    expect(lags[Math.floor(lags.length / 2)]).toBeLessThan(3_000);
  });
});
