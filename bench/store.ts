/**
 * `npm run bench:store [-- --json] [--rows N] [--rounds N]`: rows a second into the embedded store, in batches of 10,000:
 * objects through the bare client, ready NDJSON through ours, and the sink from the log, interleaved; how fresh
 * the table is at a steady pace; and how long the API's questions take on what is there then. Medians and spread.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from '@clickhouse/client';
import { createChdbConnection } from 'chdb/connection';
import { uuidv7 } from '../core/ids.ts';
import { silentLog } from '../core/log.ts';
import { sleep } from '../core/retry.ts';
import { openEmbeddedLog } from '../eventlog/embedded/index.ts';
import type { LogRecord } from '../eventlog/port.ts';
import { callRecord } from '../processors/outputs.ts';
import { rowOf } from '../processors/row.ts';
import { CallsFilterSchema, LatencyFilterSchema, SpendFilterSchema } from '../schemas/api.ts';
import type { MeteredCall } from '../schemas/metered-call.ts';
import { TOPICS, topicSpecs } from '../schemas/topics.ts';
import { openStore } from '../store/client.ts';
import { migrate } from '../store/migrate.ts';
import { calls, latency, spend } from '../store/queries/index.ts';
import { callsLine } from '../store/rows.ts';
import { startSink } from '../store/sink.ts';
import { scratchFolder } from '../test/support/toolmeter.ts';
import { mixedCalls } from './load.ts';
import { conditions, emit, percentile, spread } from './support.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rows: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '3' },
  },
});
const count = Number(values.rows);
const rounds = Number(values.rounds);
const BATCH = 10_000;

const scratch = scratchFolder('toolmeter-bench-store-');
const path = join(scratch.path, 'store');
const store = await openStore({ database: 'toolmeter', path, log: silentLog });
const client = await store.newClient();
await migrate(client, silentLog);
const bare = createClient({ connection: createChdbConnection({ path }) } as Parameters<
  typeof createClient
>[0]);

/** Rows as the processors write them, of the last hour. */
function* rows(seed: number): Generator<MeteredCall> {
  let rawOffset = 0;
  for (const event of mixedCalls(count, seed, Date.now() - 3_600_000)) {
    const record = {
      kind: 'event' as const,
      at: { collector: 'bench', instance: 'i', epoch: uuidv7(), lane: 0, seq: rawOffset + 1 },
      trusted: true,
      value: '',
    };
    const line = {
      kind: 'arguments' as const,
      quantity: '25',
      unit: 'token' as const,
      unit_price_usd: '0.000002',
      amount_usd: '0.00005',
      price_id: 'bench/1',
      basis: 'estimated' as const,
    };
    yield {
      ...rowOf(event, record, BigInt(rawOffset++)),
      team: `team-${rawOffset % 12}`,
      cost_center: 'cc',
      environment: 'prod',
      counted: true,
      calls: 1,
      model: 'gpt-4.1',
      model_source: 'tag',
      tokens_arguments: 25,
      tokens_result: 180,
      tokens_basis: 'estimated',
      tokenizer: 'o200k_base',
      cost_usd: '0.00005',
      cost_basis: 'estimated',
      cost_lines: [line],
    };
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

async function objects(seed: number): Promise<number> {
  const all = [...rows(seed)].map((row, offset) => ({
    ...row,
    log_id: `objects-${seed}`,
    partition: 0,
    offset,
    recorded_at: new Date().toISOString(),
  }));
  return timed(async () => {
    for (let first = 0; first < all.length; first += BATCH) {
      await bare.insert({
        table: 'toolmeter.calls',
        values: all.slice(first, first + BATCH),
        format: 'JSONEachRow',
        clickhouse_settings: { date_time_input_format: 'best_effort', async_insert: 0 },
      });
    }
  });
}

async function ndjson(seed: number): Promise<number> {
  const place = { logId: `ndjson-${seed}`, partition: 0 };
  const records = [...rows(seed)].map((row, offset): LogRecord => {
    const { value, headers } = callRecord(row, 0);
    return {
      offset: BigInt(offset),
      appendedAtMs: Date.now(),
      key: null,
      value: Buffer.from(value as string),
      headers: headers ?? {},
    };
  });
  return timed(async () => {
    for (let first = 0; first < records.length; first += BATCH) {
      const lines: Buffer[] = [];
      for (const record of records.slice(first, first + BATCH)) {
        const line = callsLine(record, place);
        if ('json' in line) lines.push(line.json);
      }
      await client.insert('calls', Buffer.concat(lines), `${place.logId}-${first}`);
    }
  });
}

async function sink(seed: number): Promise<number> {
  const eventLog = await openEmbeddedLog({
    path: join(scratch.path, `log-${seed}.sqlite`),
    synchronous: 'NORMAL',
  });
  await eventLog.ensureTopics(topicSpecs(1));
  let chunk: ReturnType<typeof callRecord>[] = [];
  for (const row of rows(seed)) {
    if (chunk.push(callRecord(row, 0)) === 1_000) {
      await eventLog.append(chunk);
      chunk = [];
    }
  }
  await eventLog.append(chunk);
  const { high } = await eventLog.watermarks(TOPICS.calls, 0);
  let running: ReturnType<typeof startSink> | undefined;
  const seconds = await timed(
    () =>
      new Promise((done) => {
        running = startSink({
          eventLog,
          store,
          log: silentLog,
          onRange: ({ last }) => {
            if (last + 1n >= high) done();
          },
        });
      }),
  );
  await running?.close();
  await eventLog.close();
  return seconds;
}

/** From the log's stamp of a range's oldest record to its commit, milliseconds, at 1,000 calls a second. */
async function freshness(): Promise<number[]> {
  const eventLog = await openEmbeddedLog({
    path: join(scratch.path, 'log-fresh.sqlite'),
    synchronous: 'NORMAL',
  });
  await eventLog.ensureTopics(topicSpecs(1));
  const lags: number[] = [];
  const running = startSink({
    eventLog,
    store,
    log: silentLog,
    onRange: (range) => {
      if (range.rows > 0) lags.push(range.committedAtMs - range.recordedAtMs);
    },
  });
  await running.ready;
  const source = rows(99);
  for (let n = 0; n < 250; n++) {
    const records: ReturnType<typeof callRecord>[] = [];
    for (let k = 0; k < 20; k++) {
      const next = source.next();
      if (!next.done) records.push(callRecord(next.value, 0));
    }
    await eventLog.append(records);
    await sleep(20);
  }
  await sleep(1_000);
  await running.close();
  await eventLog.close();
  return lags;
}

const ways = { objects, ndjson, sink };
const rates: Record<keyof typeof ways, number[]> = { objects: [], ndjson: [], sink: [] };
for (let round = 0; round < rounds; round++) {
  for (const [name, way] of Object.entries(ways) as [
    keyof typeof ways,
    (seed: number) => Promise<number>,
  ][]) {
    rates[name].push(count / (await way(round + 1)));
  }
}

const lags = await freshness();

const day = {
  from: new Date(Date.now() - 86_400_000).toISOString(),
  to: new Date(Date.now() + 60_000).toISOString(),
};
const asked = {
  'spend by team and day, ms': () =>
    spend(client, SpendFilterSchema.parse({ ...day, group_by: ['team', 'day'] })),
  'newest 100 calls, ms': () => calls(client, CallsFilterSchema.parse(day)),
  'latency by tool and minute, ms': () =>
    latency(client, LatencyFilterSchema.parse({ ...day, group_by: ['tool'], bucket_s: 60 })),
};
const asks: { measure: string; times: number[] }[] = [];
for (const [measure, ask] of Object.entries(asked)) {
  const times: number[] = [];
  for (let n = 0; n < 9; n++) times.push(1000 * (await timed(async () => void (await ask()))));
  asks.push({ measure, times });
}
await bare.close();
await store.close();
scratch.remove();

const ratios = rates.sink.map((rate, n) => rate / rates.objects[n]!);
emit({
  name: 'store',
  rows: [
    { measure: 'objects by the bare client, rows/s', ...spread(rates.objects) },
    { measure: 'ready NDJSON by ours, rows/s', ...spread(rates.ndjson) },
    { measure: 'sink from the log, rows/s', ...spread(rates.sink) },
    { measure: 'sink / objects', ...spread(ratios) },
    { measure: 'log to row at 1,000 calls/s, ms', ...spread(lags) },
    ...asks.map(({ measure, times }) => ({ measure, ...spread(times) })),
  ],
  metrics: {
    rows_per_s: spread(rates.sink).median,
    ratio_to_store_insert: spread(ratios).median,
    fresh_p50_ms: percentile(lags, 0.5),
    fresh_p99_ms: percentile(lags, 0.99),
    spend_ms: spread(asks[0]!.times).median,
    calls_ms: spread(asks[1]!.times).median,
    latency_ms: spread(asks[2]!.times).median,
  },
  conditions: { ...conditions(), rows: count, rounds },
  json: values.json === true,
});
