import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../core/log.ts';
import { formatUsd } from '../../core/money.ts';
import type { StoreClient } from '../../store/client.ts';
import { spend } from '../../store/queries/index.ts';
import { applyRetention, contentTtlDays } from '../../store/retention.ts';
import { checkSeals, daysToSeal, openDay, sealClosedDays, sealDay } from '../../store/seal.ts';
import { costLine, costOf, meteredCall } from '../support/calls-topic.ts';
import {
  emptyTables,
  insertCalls,
  insertTick,
  type Recorded,
  type TestStore,
} from '../support/clickhouse.ts';

const shape = { logId: 'log-1', partitions: 1 };
const ROLLUP_SUM = `count() AS n, sum(counted_rows) AS r, sum(calls) AS c, sum(errors) AS e, sum(cost_usd) AS u,
  sum(cost_estimated_usd) AS ue, sum(tokens_arguments) AS ta, sum(duration_us) AS d`;
const BASE_SUM = `uniqExact(toDate(recorded_at, 'UTC'), toStartOfHour(ts), team, tool, cost_basis) AS n, count() AS r, sum(calls) AS c,
  sum(calls * is_error) AS e, sum(cost_usd) AS u, sum(cost_estimated_usd) AS ue, sum(tokens_arguments) AS ta,
  sum(duration_us) AS d`;

/** Sealing, the joining view and retention, on every store. */
export function sealContract(name: string, open: () => Promise<TestStore>): void {
  describe(`seal: ${name}`, () => {
    let test: TestStore;
    let client: StoreClient;
    beforeAll(async () => {
      test = await open();
      client = test.client;
    });
    afterAll(() => test?.close());
    beforeEach(() => emptyTables(client));

    /** Seals count for queries when they are ten seconds old: makes those that there are older. */
    const age = async (): Promise<void> => {
      await client.command(
        'ALTER TABLE calls_hourly UPDATE sealed_at = sealed_at - INTERVAL 1 HOUR WHERE true SETTINGS mutations_sync = 2',
      );
    };
    const sums = async (): Promise<unknown[]> => [
      ...(await client.query(`SELECT ${ROLLUP_SUM} FROM calls_rollup`)),
      ...(await client.query(`SELECT ${BASE_SUM} FROM calls WHERE counted`)),
    ];
    const at = (recordedAt: string, rawOffset: number, change = {}): Recorded => ({
      row: meteredCall(rawOffset, { ts: recordedAt.replace(/(\.\d+)?Z$/, '.000000Z'), ...change }),
      recordedAt,
    });

    it('a day is closed when every partition has a tick past its end', async () => {
      const two = { logId: 'log-1', partitions: 2 };
      await insertCalls(client, [at('2026-03-10T23:59:59.999Z', 0)]);
      expect(await openDay(client, two)).toBeNull();
      await insertTick(client, '2026-03-11T00:00:30Z', 0);
      expect(await openDay(client, two)).toBeNull();
      await insertTick(client, '2026-03-10T23:59:59.999Z', 1);
      expect(await daysToSeal(client, two)).toEqual([]);
      await insertTick(client, '2026-03-11T00:00:00.000Z', 1, 'another-log');
      expect(await daysToSeal(client, two)).toEqual([]);
      await insertTick(client, '2026-03-11T00:00:00.000Z', 1);
      expect(await daysToSeal(client, two)).toEqual(['2026-03-10']);
      expect(await sealClosedDays(client, two, silentLog)).toEqual(['2026-03-10']);
      expect(await daysToSeal(client, two)).toEqual([]);
    });

    it('days are UTC days, over a change of summer time and a month, empty ones too', async () => {
      await insertCalls(client, [
        at('2026-03-28T23:59:59.999Z', 0),
        at('2026-03-29T00:00:00.000Z', 1),
        at('2026-03-29T01:30:00.000Z', 2),
        at('2026-03-31T23:59:59.999Z', 3),
        at('2026-04-01T00:00:00.000Z', 4),
      ]);
      await insertTick(client, '2026-04-02T00:00:10Z');
      expect(await sealClosedDays(client, shape, silentLog)).toEqual([
        '2026-03-28',
        '2026-03-29',
        '2026-03-30',
        '2026-03-31',
        '2026-04-01',
      ]);
      expect(
        await client.query(
          'SELECT toString(day) AS day, sum(calls) AS c FROM calls_hourly WHERE NOT marker GROUP BY day ORDER BY day',
        ),
      ).toEqual([
        { day: '2026-03-28', c: '1' },
        { day: '2026-03-29', c: '2' },
        { day: '2026-03-31', c: '1' },
        { day: '2026-04-01', c: '1' },
      ]);
      expect(await client.query('SELECT count() AS n FROM calls_hourly WHERE marker')).toEqual([{ n: '5' }]);
      await age();
      expect(await client.query('SELECT toString(horizon) AS h FROM seal_horizon')).toEqual([
        { h: '2026-04-02' },
      ]);
    });

    it('a late call belongs to the day that learnt it, and to its own hour', async () => {
      await insertCalls(client, [at('2026-03-10T12:00:00Z', 0)]);
      await insertTick(client, '2026-03-11T00:00:10Z');
      await sealClosedDays(client, shape, silentLog);
      await age();
      await insertCalls(client, [at('2026-03-12T08:00:00Z', 1, { ts: '2026-03-10T12:30:00.000000Z' })]);
      const ask = (as_known_at?: string) =>
        spend(client, {
          from: '2026-03-10T12:00:00Z',
          to: '2026-03-10T13:00:00Z',
          group_by: [],
          where: {},
          limit: 10,
          ...(as_known_at !== undefined && { as_known_at }),
        }).then((result) => result.total.calls);
      expect(await ask()).toBe(2);
      expect(await ask('2026-03-12T08:00:00.000Z')).toBe(1);
      expect(await ask('2026-03-12T08:00:00.001Z')).toBe(2);
      await insertTick(client, '2026-03-13T00:00:10Z');
      expect(await sealClosedDays(client, shape, silentLog)).toEqual(['2026-03-11', '2026-03-12']);
      await age();
      expect(await ask()).toBe(2);
      expect(await ask('2026-03-12T00:00:00Z')).toBe(1);
    });

    it('view = base, whatever is sealed, sealed twice, or not yet; and a gap ends the horizon', async () => {
      const sample = fc.record({
        hour: fc.integer({ min: 0, max: 5 * 24 - 1 }),
        early: fc.integer({ min: 0, max: 60 }),
        team: fc.constantFrom('a', 'b'),
        tool: fc.constantFrom('t1', 't2'),
        outcome: fc.constantFrom('ok' as const, 'timeout' as const),
        counted: fc.boolean(),
        pico: fc.bigInt({ min: -(10n ** 13n), max: 10n ** 13n }),
        basis: fc.constantFrom('estimated' as const, 'reported' as const),
      });
      const T0 = Date.parse('2026-03-29T00:00:00Z');
      const iso = (hour: number): string => new Date(T0 + hour * 3_600_000).toISOString();
      await fc.assert(
        fc.asyncProperty(
          fc.array(sample, { minLength: 1, maxLength: 60 }),
          fc.integer({ min: 0, max: 5 * 24 }),
          fc.array(fc.constantFrom('2026-03-29', '2026-03-31', '2026-04-02'), { maxLength: 2 }),
          async (samples, closedHour, again) => {
            await emptyTables(client);
            await insertCalls(
              client,
              samples.map((s, n) => ({
                row: meteredCall(n, {
                  ts: iso(s.hour - s.early).replace('Z', '000Z'),
                  team: s.team,
                  tool: s.tool,
                  outcome: s.outcome,
                  counted: s.counted,
                  calls: s.counted ? 1 : 0,
                  ...costOf([costLine('compute', formatUsd(s.pico), s.basis)]),
                }),
                recordedAt: iso(s.hour),
              })),
            );
            await insertTick(client, iso(closedHour));
            await sealClosedDays(client, shape, silentLog);
            for (const day of again) await sealDay(client, day);
            await age();
            const [view, base] = await sums();
            expect(view).toEqual(base);
            expect(await checkSeals(client, { from: '2026-03-01', to: '2026-05-01' })).toEqual([]);
          },
        ),
        { numRuns: 20 },
      );
    });

    it('a fresh seal does not count yet: both ways give the same', async () => {
      await insertCalls(client, [at('2026-03-10T12:00:00Z', 0), at('2026-03-11T12:00:00Z', 1)]);
      await insertTick(client, '2026-03-11T00:00:10Z');
      await sealClosedDays(client, shape, silentLog);
      expect(await client.query('SELECT toString(horizon) AS h FROM seal_horizon')).toEqual([
        { h: '1970-01-01' },
      ]);
      const [view, base] = await sums();
      expect(view).toEqual(base);
    });

    it('the check sees a lost row, an added one and a changed amount', async () => {
      await insertCalls(client, [at('2026-03-10T12:00:00Z', 0), at('2026-03-11T12:00:00Z', 1)]);
      await insertTick(client, '2026-03-12T00:00:10Z');
      await sealClosedDays(client, shape, silentLog);
      const range = { from: '2026-03-01', to: '2026-04-01' };
      expect(await checkSeals(client, range)).toEqual([]);
      await insertCalls(client, [at('2026-03-10T13:00:00Z', 2)]);
      expect((await checkSeals(client, range)).map((d) => [d.day, d.sealed.calls, d.base.calls])).toEqual([
        ['2026-03-10', '1', '2'],
      ]);
      await client.command(
        "ALTER TABLE calls DELETE WHERE toDate(recorded_at, 'UTC') = '2026-03-11' SETTINGS mutations_sync = 2",
      );
      expect((await checkSeals(client, range)).map((d) => d.day)).toEqual(['2026-03-10', '2026-03-11']);
    });

    it('drops old months only when they are sealed and equal; reports stay the same', async () => {
      const retention = { contentDays: 30, callsMonths: 1, deadLetterDays: 90 };
      await insertCalls(client, [
        at('2026-01-30T12:00:00Z', 0),
        at('2026-02-02T12:00:00Z', 1),
        at('2026-03-15T12:00:00Z', 2),
      ]);
      const now = Date.parse('2026-03-20T00:00:00Z');
      expect(await applyRetention(client, retention, now, silentLog)).toMatchObject({
        dropped: [],
        kept: [{ month: 202601, why: 'not sealed' }],
      });
      await insertTick(client, '2026-02-03T00:00:10Z');
      await sealClosedDays(client, shape, silentLog);
      await age();
      await insertCalls(client, [at('2026-01-30T13:00:00Z', 3)]);
      expect(await applyRetention(client, retention, now, silentLog)).toMatchObject({
        dropped: [],
        kept: [{ month: 202601, why: 'rollup differs' }],
      });
      await client.command('ALTER TABLE calls DELETE WHERE offset = 3 SETTINGS mutations_sync = 2');
      const ask = () =>
        spend(client, {
          from: '2026-01-01T00:00:00Z',
          to: '2026-04-01T00:00:00Z',
          group_by: ['month'],
          where: {},
          limit: 10,
        });
      const before = await ask();
      expect(await applyRetention(client, retention, now, silentLog)).toMatchObject({
        dropped: [202601],
        kept: [],
      });
      expect(await client.query('SELECT count() AS n FROM calls')).toEqual([{ n: '2' }]);
      expect(await ask()).toEqual(before);
      expect(before.rows.map((row) => row.group.month)).toEqual(['2026-01', '2026-02', '2026-03']);
    });

    it('content days are the columns’ TTL, and content goes before the row', async () => {
      const retention = { contentDays: 45, callsMonths: 240, deadLetterDays: 90 };
      expect(await contentTtlDays(client)).toBe(30);
      const now = Date.now();
      expect(await applyRetention(client, retention, now, silentLog)).toMatchObject({
        contentDays: { before: 30, after: 45 },
      });
      expect(await applyRetention(client, retention, now, silentLog)).toMatchObject({ contentDays: null });
      const day = (ago: number): string => new Date(now - ago * 86_400_000).toISOString();
      await insertCalls(client, [at(day(50), 0), at(day(40), 1)]);
      await client.command('SYSTEM START TTL MERGES');
      await client.command('OPTIMIZE TABLE calls FINAL');
      await client.command('SYSTEM STOP TTL MERGES');
      expect(
        await client.query(
          "SELECT raw_offset, arguments_text != '' AS content, arguments_bytes FROM calls ORDER BY offset",
        ),
      ).toEqual([
        { raw_offset: '0', content: 0, arguments_bytes: '13' },
        { raw_offset: '1', content: 1, arguments_bytes: '13' },
      ]);
      await applyRetention(client, { ...retention, contentDays: 30 }, now, silentLog);
      expect(await contentTtlDays(client)).toBe(30);
    });
  });
}
