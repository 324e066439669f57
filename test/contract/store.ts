import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../core/ids.ts';
import { formatUsd, parseUsd } from '../../core/money.ts';
import {
  CallDetailSchema,
  CallersResultSchema,
  CallsFilterSchema,
  CallsResultSchema,
  CompletenessFilterSchema,
  CompletenessResultSchema,
  InventoryFilterSchema,
  LatencyFilterSchema,
  LatencyResultSchema,
  ServersResultSchema,
  type SpendFilter,
  SpendFilterSchema,
  SpendResultSchema,
  ToolsResultSchema,
} from '../../schemas/api.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import type { StoreClient } from '../../store/client.ts';
import { call, calls, completeness, inventory, latency, spend } from '../../store/queries/index.ts';
import { costLine, costOf, meteredCall } from '../support/calls-topic.ts';
import { emptyTables, insertCalls, type Recorded, type TestStore } from '../support/clickhouse.ts';

/** What every store promises, embedded or server. */
export function storeContract(name: string, open: () => Promise<TestStore>): void {
  describe(`store: ${name}`, () => {
    let test: TestStore;
    let client: StoreClient;
    beforeAll(async () => {
      test = await open();
      client = test.client;
    });
    afterAll(() => test?.close());
    beforeEach(() => emptyTables(client));

    const one = async <T>(sql: string): Promise<T> => (await client.query<{ v: T }>(sql))[0]!.v;

    describe('inserts', () => {
      const line = (offset: number): Buffer =>
        Buffer.from(
          `${JSON.stringify({ ...meteredCall(offset), log_id: 'l', partition: 0, offset, recorded_at: 1_772_000_000_000 })}\n`,
        );

      it('the same token twice is one insert, another token is another', async () => {
        const rows = Buffer.concat([line(1), line(2)]);
        await client.insert('calls', rows, 't-1');
        await client.insert('calls', rows, 't-1');
        expect(await one('SELECT count() AS v FROM calls')).toBe('2');
        await client.insert('calls', rows, 't-2');
        expect(await one('SELECT count() AS v FROM calls')).toBe('4');
      });

      it('a token is remembered over more later blocks than ClickHouse has for a default', async () => {
        await client.insert('calls', line(1), 'first');
        for (let n = 0; n < 110; n++) await client.insert('calls', line(n + 2), `later-${n}`);
        await client.insert('calls', line(1), 'first');
        expect(await one('SELECT count() AS v FROM calls')).toBe('111');
        expect(
          await one(
            "SELECT position(engine_full, 'non_replicated_deduplication_window = 10000') > 0 AS v FROM system.tables WHERE database = currentDatabase() AND name = 'calls'",
          ),
        ).toBe(1);
      });

      it('one unreadable row refuses the insert whole, and its text is not told', async () => {
        const secret = 'not-a-number-4711';
        const bad = Buffer.from(
          line(3).toString().replace('"duration_us":1500', `"duration_us":"${secret}"`),
        );
        const error = await client
          .insert('calls', Buffer.concat([line(1), line(2), bad]), 't')
          .catch((e) => e);
        expect(error).toMatchObject({ code: 'TM_STORE_REFUSED' });
        expect(JSON.stringify([error.message, error.hint, String(error.cause)])).not.toContain(secret);
        expect(await one('SELECT count() AS v FROM calls')).toBe('0');
        await client.insert('calls', Buffer.concat([line(1), line(2)]), 't');
        expect(await one('SELECT count() AS v FROM calls')).toBe('2');
      });

      it('a column that the table lacks is told as such', async () => {
        const newer = Buffer.from(line(1).toString().replace('{', '{"from_the_future":1,'));
        await expect(client.insert('calls', newer)).rejects.toMatchObject({ code: 'TM_STORE_SCHEMA' });
      });

      it('10,000 rows and 60 MB are one part', async () => {
        const text = 'lorem ipsum '.repeat(500);
        const rows: Buffer[] = [];
        for (let n = 0; n < 10_000; n++) {
          const row = {
            ...meteredCall(n, { arguments_text: text }),
            log_id: 'l',
            partition: 0,
            offset: n,
            recorded_at: 1_772_000_000_000,
          };
          rows.push(Buffer.from(`${JSON.stringify(row)}\n`));
        }
        const block = Buffer.concat(rows);
        expect(block.length).toBeGreaterThan(60_000_000);
        await client.insert('calls', block, 'big');
        await client.insert('calls', block, 'big');
        expect(
          await one(
            "SELECT max(rows) AS v FROM system.parts WHERE database = currentDatabase() AND table = 'calls' AND level = 0 AND active",
          ),
        ).toBe('10000');
        expect(await one('SELECT count() AS v FROM calls')).toBe('10000');
      });
    });

    describe('spend', () => {
      const ask = (filter: Partial<SpendFilter>): Promise<unknown> => {
        const whole = SpendFilterSchema.parse({
          from: '2026-03-01T00:00:00Z',
          to: '2026-04-01T00:00:00Z',
          ...filter,
        });
        return spend(client, whole).then((result) => SpendResultSchema.parse(result));
      };

      it('is exact to the pico-dollar, and splits by basis', async () => {
        const tiny = costOf([
          costLine('arguments', '0.000000000001'),
          costLine('tool_fee', '0.1', 'metered'),
        ]);
        await insertCalls(
          client,
          Array.from({ length: 30 }, (_, n) => ({
            row: meteredCall(n, tiny),
            recordedAt: '2026-03-10T12:00:01Z',
          })),
        );
        expect(await ask({ group_by: ['team', 'day'] })).toMatchObject({
          rows: [
            {
              group: { team: 'search', day: '2026-03-10' },
              calls: 30,
              cost_usd: '3.00000000003',
              by_basis: {
                estimated: { calls: 30, cost_usd: '0.00000000003' },
                metered: { calls: 0, cost_usd: '3' },
              },
            },
          ],
          total: { calls: 30, cost_usd: '3.00000000003' },
          truncated: false,
        });
      });

      it('holds the largest amounts', async () => {
        const big = costOf([costLine('compute', '12345678901234567890.123456789012', 'reported')]);
        await insertCalls(client, [
          { row: meteredCall(0, big), recordedAt: '2026-03-10T12:00:01Z' },
          { row: meteredCall(1, big), recordedAt: '2026-03-10T12:00:01Z' },
        ]);
        expect(await ask({})).toMatchObject({ total: { cost_usd: '24691357802469135780.246913578024' } });
      });

      it('counts only what counts; adjustments add money and no calls', async () => {
        const row = meteredCall(0);
        await insertCalls(client, [
          { row, recordedAt: '2026-03-10T12:00:01Z' },
          {
            row: meteredCall(1, { vantage: 'client', counted: false, calls: 0 }),
            recordedAt: '2026-03-10T12:00:01Z',
          },
          {
            row: meteredCall(2, {
              kind: 'adjustment',
              calls: 0,
              adjusts: row.event_id,
              outcome: '',
              vantage: '',
              reason: 'price',
              ...costOf([costLine('arguments', '-0.000002')]),
            }),
            recordedAt: '2026-03-12T00:00:00Z',
          },
        ]);
        expect(await ask({})).toMatchObject({ total: { calls: 1, cost_usd: '0.25001' } });
        expect(await ask({ as_known_at: '2026-03-11T00:00:00Z' })).toMatchObject({
          total: { calls: 1, cost_usd: '0.250012' },
        });
        const detail = CallDetailSchema.parse(await call(client, row.event_id));
        expect(detail).toMatchObject({
          cost_usd_now: '0.25001',
          adjustments: [{ reason: 'price', cost_usd: '-0.000002' }],
        });
      });

      it('binds what users give: no value is read as SQL', async () => {
        const evil = "x' OR 1=1 --\\'";
        await insertCalls(client, [
          { row: meteredCall(0, { team: evil }), recordedAt: '2026-03-10T12:00:01Z' },
          { row: meteredCall(1, { team: 'other' }), recordedAt: '2026-03-10T12:00:01Z' },
        ]);
        expect(await ask({ where: { team: [evil] } })).toMatchObject({
          rows: [{ group: { team: evil }, calls: 1 }],
        });
        expect(await ask({ where: { team: ["x' OR 1=1"] } })).toMatchObject({
          rows: [],
          total: { calls: 0 },
        });
      });

      it('equals a count by hand, for any range, groups and time of knowing', async () => {
        const minute = fc.integer({ min: 0, max: 3 * 24 * 60 });
        const sample = fc.record({
          minute,
          lateMinutes: fc.integer({ min: 0, max: 2 * 24 * 60 }),
          team: fc.constantFrom('a', 'b', ''),
          tool: fc.constantFrom('t1', 't2'),
          outcome: fc.constantFrom('ok', 'tool_error', 'cancelled'),
          counted: fc.boolean(),
          pico: fc.bigInt({ min: 0n, max: 10n ** 14n }),
          basis: fc.constantFrom('estimated', 'metered', 'reported', 'unpriced'),
        });
        const T0 = Date.parse('2026-03-28T00:00:00Z');
        const iso = (m: number): string => new Date(T0 + m * 60_000).toISOString();
        await fc.assert(
          fc.asyncProperty(
            fc.array(sample, { minLength: 1, maxLength: 40 }),
            fc.tuple(minute, minute),
            fc.option(fc.integer({ min: 0, max: 5 * 24 * 60 }), { nil: undefined }),
            async (samples, [a, b], known) => {
              await emptyTables(client);
              const rows: Recorded[] = samples.map((s, n) => ({
                row: meteredCall(n, {
                  ts: iso(s.minute).replace('Z', '001Z'),
                  team: s.team,
                  tool: s.tool,
                  outcome: s.outcome as 'ok',
                  counted: s.counted,
                  calls: s.counted ? 1 : 0,
                  ...costOf([costLine('compute', formatUsd(s.pico), s.basis as 'estimated')]),
                }),
                recordedAt: iso(s.minute + s.lateMinutes),
              }));
              await insertCalls(client, rows);
              const from = iso(Math.min(a, b));
              const to = iso(Math.max(a, b));
              const within = rows.filter(
                ({ row, recordedAt }) =>
                  row.counted &&
                  row.ts >= from.replace('Z', '000Z') &&
                  row.ts < to.replace('Z', '000Z') &&
                  (known === undefined || recordedAt < iso(known)),
              );
              const groups = new Map<string, { calls: number; errors: number; pico: bigint }>();
              for (const { row } of within) {
                const key = JSON.stringify([row.team, row.ts.slice(0, 10), row.cost_basis]);
                const group = groups.get(key) ?? { calls: 0, errors: 0, pico: 0n };
                group.calls += row.calls;
                group.errors += row.outcome === 'tool_error' ? 1 : 0;
                group.pico += parseUsd(row.cost_usd)!;
                groups.set(key, group);
              }
              const result = await spend(client, {
                from,
                to,
                group_by: ['team', 'day', 'basis'],
                where: {},
                limit: 1_000,
                ...(known !== undefined && { as_known_at: iso(known) }),
              });
              const found = new Map(
                result.rows.map((row) => [
                  JSON.stringify([row.group.team, row.group.day, row.group.basis]),
                  { calls: row.calls, errors: row.errors, pico: parseUsd(row.cost_usd)! },
                ]),
              );
              expect(found).toEqual(groups);
              expect(result.total.calls).toBe(within.length);
              const { reported, metered, estimated, unpriced } = result.total.by_basis;
              const priced = [reported, metered, estimated].reduce(
                (sum, part) => sum + parseUsd(part.cost_usd)!,
                0n,
              );
              const unpricedPico = within
                .filter(({ row }) => row.cost_basis === 'unpriced')
                .reduce((sum, { row }) => sum + parseUsd(row.cost_usd)!, 0n);
              expect(priced + unpricedPico).toBe(parseUsd(result.total.cost_usd));
              expect(reported.calls + metered.calls + estimated.calls + unpriced.calls).toBe(within.length);
            },
          ),
          { numRuns: 25 },
        );
      });
    });

    describe('calls', () => {
      it('pages newest first over equal times, while new rows come in', async () => {
        const at = (n: number): string =>
          `2026-03-10T${String(10 + (n % 3)).padStart(2, '0')}:00:00.00000${n % 2}Z`;
        const rows = Array.from({ length: 57 }, (_, n) => ({
          row: meteredCall(n, { ts: at(n), team: `t${n % 2}` }),
          recordedAt: '2026-03-10T13:00:00Z',
        }));
        await insertCalls(client, rows);
        const filter = CallsFilterSchema.parse({
          from: '2026-03-10T00:00:00Z',
          to: '2026-03-11T00:00:00Z',
          limit: 10,
        });
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = CallsResultSchema.parse(
            await calls(client, { ...filter, ...(cursor !== undefined && { cursor }) }),
          );
          seen.push(...page.rows.map((row) => row.event_id));
          cursor = page.next ?? undefined;
          await insertCalls(client, [
            {
              row: meteredCall(100 + seen.length, { ts: '2026-03-10T20:00:00.000000Z' }),
              recordedAt: '2026-03-10T21:00:00Z',
            },
          ]);
        } while (cursor !== undefined);
        const expected = rows
          .map(({ row }) => row)
          .sort((a, b) => (a.ts === b.ts ? (a.event_id < b.event_id ? 1 : -1) : a.ts < b.ts ? 1 : -1));
        expect(seen).toEqual(expected.map((row) => row.event_id));
      });

      it('finds by outcome, method, session, findings and duration', async () => {
        await insertCalls(
          client,
          [
            meteredCall(0, { outcome: 'timeout', pii: { email: 1 }, duration_us: 9_000 }),
            meteredCall(1, { method: 'tools/list', session_id: 's-9' }),
            meteredCall(2, { counted: false, calls: 0, vantage: 'client' }),
          ].map((row) => ({ row, recordedAt: '2026-03-10T13:00:00Z' })),
        );
        const range = { from: '2026-03-10T00:00:00Z', to: '2026-03-11T00:00:00Z' };
        const n = async (filter: object): Promise<number> =>
          (await calls(client, CallsFilterSchema.parse({ ...range, ...filter }))).rows.length;
        expect(await n({})).toBe(3);
        expect(await n({ outcome: ['timeout', 'denied'] })).toBe(1);
        expect(await n({ pii: 'email' })).toBe(1);
        expect(await n({ pii: 'phone' })).toBe(0);
        expect(await n({ method: 'tools/list' })).toBe(1);
        expect(await n({ session_id: 's-9' })).toBe(1);
        expect(await n({ min_duration_us: 9_000 })).toBe(1);
        expect(await n({ counted: true })).toBe(2);
        expect(await n({ counted: false, vantage: 'client' })).toBe(1);
        expect(await n({ where: { team: ['nobody'] } })).toBe(0);
        await expect(n({ cursor: 'bm90IG91cnM' })).rejects.toMatchObject({ code: 'TM_QUERY_CURSOR' });
      });

      it('gives one call whole, by either id, with its other observations', async () => {
        const callId = uuidv7();
        const row = meteredCall(0, { call_id: callId });
        const other = meteredCall(1, { call_id: callId, vantage: 'client', counted: false, calls: 0 });
        await insertCalls(
          client,
          [other, row].map((r) => ({ row: r, recordedAt: '2026-03-10T13:00:00.5Z' })),
        );
        const detail = CallDetailSchema.parse(await call(client, callId));
        const { log_id, partition, offset, recorded_at, raw_offset, ...rest } = detail.call;
        const { raw_offset: _, cost_usd, cost_lines, ...expected } = row;
        expect({ log_id, partition, offset, raw_offset, recorded_at }).toEqual({
          log_id: 'log-1',
          partition: 0,
          offset: '0',
          raw_offset: '0',
          recorded_at: '2026-03-10T13:00:00.500Z',
        });
        expect(rest).toMatchObject(expected);
        expect(rest.cost_lines.map((line) => line.amount_usd)).toEqual(
          cost_lines.map((line) => line.amount_usd),
        );
        expect(parseUsd(rest.cost_usd)).toBe(parseUsd(cost_usd));
        expect(detail.observations.map((o) => o.event_id)).toEqual([other.event_id]);
        expect((await call(client, other.event_id))?.call.vantage).toBe('client');
        expect(await call(client, uuidv7())).toBeNull();
        expect(await call(client, "' OR 1=1")).toBeNull();
      });
    });

    it('latency: quantiles by group and bucket, one sample a call', async () => {
      await insertCalls(
        client,
        Array.from({ length: 200 }, (_, n) => ({
          row: meteredCall(n, {
            duration_us: (n % 100) + 1,
            ts: `2026-03-10T12:0${n < 100 ? 0 : 5}:00.000000Z`,
            ...(n >= 100 && { counted: false, calls: 0, vantage: 'client' as const }),
          }),
          recordedAt: '2026-03-10T13:00:00Z',
        })),
      );
      const filter = LatencyFilterSchema.parse({
        from: '2026-03-10T00:00:00Z',
        to: '2026-03-11T00:00:00Z',
        bucket_s: 300,
      });
      const result = LatencyResultSchema.parse(await latency(client, filter));
      expect(result.rows).toHaveLength(1);
      expect(result.rows[0]).toMatchObject({
        group: { server: 'docs', tool: 'search' },
        bucket: '2026-03-10T12:00:00Z',
        calls: 100,
        max_us: 100,
      });
      expect(result.rows[0]!.p50_us).toBeGreaterThanOrEqual(49);
      expect(result.rows[0]!.p50_us).toBeLessThanOrEqual(52);
      expect(result.rows[0]!.p99_us).toBeGreaterThanOrEqual(98);
      const byVantage = await latency(client, { ...filter, group_by: ['vantage'] });
      expect(byVantage.rows.map((row) => [row.group.vantage, row.bucket, row.calls])).toEqual([
        ['server', '2026-03-10T12:00:00Z', 100],
        ['client', '2026-03-10T12:05:00Z', 100],
      ]);
      expect(
        (await latency(client, { ...filter, where: { team: ['none'] }, group_by: [], bucket_s: undefined }))
          .rows,
      ).toEqual([]);
    });

    it('inventories: who calls and what is called, by every vantage point, measured once', async () => {
      const rows: Partial<MeteredCall>[] = [
        {
          caller: 'ada',
          caller_source: 'jwt',
          caller_verified: true,
          pii: { email: 2, phone: 1 },
          team: 'a',
          duration_us: 100,
        },
        {
          caller: 'ada',
          caller_source: 'declared',
          caller_verified: false,
          outcome: 'tool_error',
          team: 'b',
        },
        {
          caller: 'bob',
          caller_source: 'jwt',
          caller_verified: true,
          vantage: 'client',
          counted: false,
          calls: 0,
          pii: { email: 9 },
        },
        {
          caller: 'bob',
          caller_source: 'jwt',
          caller_verified: true,
          method: 'tools/list',
          tool: '',
          outcome: 'lost',
        },
        { server: 'shadow', vantage: 'client', counted: false, calls: 0, ts: '2026-03-10T11:00:00.000000Z' },
        { kind: 'adjustment', calls: 0, server: 'adjusted' },
        { ts: '2026-03-11T00:00:00.000000Z', server: 'later' },
      ];
      await insertCalls(
        client,
        rows.map((change, n) => ({ row: meteredCall(n, change), recordedAt: '2026-03-11T13:00:00Z' })),
      );
      const filter = InventoryFilterSchema.parse({
        from: '2026-03-10T00:00:00Z',
        to: '2026-03-11T00:00:00Z',
      });
      const callers = CallersResultSchema.parse(await inventory(client, 'callers', filter)).rows;
      const bare = (id: string, verified: boolean) =>
        callers.find((row) => row.caller === id && row.caller_verified === verified);
      expect(bare('ada', true)).toMatchObject({
        observations: 1,
        calls: 1,
        errors: 0,
        findings: 3,
        teams: ['a'],
        p95_us: 100,
      });
      expect(bare('ada', false)).toMatchObject({
        caller_source: 'declared',
        errors: 1,
        findings: 0,
        teams: ['b'],
      });
      expect(bare('bob', true)).toMatchObject({
        observations: 2,
        calls: 1,
        errors: 1,
        findings: 0,
        p95_us: null,
      });
      const servers = ServersResultSchema.parse(await inventory(client, 'servers', filter)).rows;
      expect(
        servers.map(({ server, observations, calls, vantages }) => [server, observations, calls, vantages]),
      ).toEqual([
        ['docs', 4, 3, ['client', 'server']],
        ['shadow', 1, 0, ['client']],
      ]);
      expect(servers[1]).toMatchObject({
        first_seen: '2026-03-10T11:00:00.000000Z',
        last_seen: '2026-03-10T11:00:00.000000Z',
      });
      const tools = ToolsResultSchema.parse(await inventory(client, 'tools', { ...filter, limit: 1 }));
      expect(tools).toMatchObject({
        rows: [{ server: 'docs', tool: 'search', observations: 3 }],
        truncated: true,
      });
      expect(await inventory(client, 'callers', { ...filter, where: { team: ["' OR 1"] } })).toEqual({
        rows: [],
        truncated: false,
      });
    });

    it('completeness: the last word on each lane, the worst first', async () => {
      const row = (lane: number, change: object): Buffer =>
        Buffer.from(
          `${JSON.stringify({
            collector: 'c1',
            instance: 'i1',
            epoch: '019a0000-0000-7000-8000-000000000001',
            lane,
            expected: 10,
            landed: 10,
            dead: 0,
            dropped: 0,
            missing: [],
            missing_count: 0,
            first_seen: '2026-03-10T12:00:00.000Z',
            last_seen: '2026-03-10T12:10:00.000Z',
            ended: true,
            verdict: 'complete',
            log_id: 'l',
            partition: 0,
            offset: 1,
            recorded_at: 1_773_144_000_000,
            ...change,
          })}\n`,
        );
      await client.insert(
        'completeness',
        row(0, { verdict: 'missing', landed: 8, missing_count: 2, missing: [[3, 4]] }),
      );
      await client.insert('completeness', row(0, { recorded_at: 1_773_144_000_500 }));
      await client.insert(
        'completeness',
        row(1, { verdict: 'missing', landed: 8, missing_count: 2, missing: [[3, 4]] }),
      );
      await client.insert('completeness', row(1, { recorded_at: 1_773_143_000_000 }));
      const result = CompletenessResultSchema.parse(
        await completeness(client, CompletenessFilterSchema.parse({})),
      );
      expect(result).toMatchObject({
        verdict: 'missing',
        lanes: 2,
        expected: 20,
        landed: 18,
        missing_count: 2,
      });
      expect(result.rows.map((r) => [r.lane, r.verdict, r.missing])).toEqual([
        [1, 'missing', [[3, 4]]],
        [0, 'complete', []],
      ]);
      expect(
        (await completeness(client, CompletenessFilterSchema.parse({ collector: 'other' }))).verdict,
      ).toBeNull();
    });
  });
}
