import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../core/log.ts';
import { SpendFilterSchema } from '../../schemas/api.ts';
import { openStore, type Store, type StoreClient } from '../../store/client.ts';
import { migrate } from '../../store/migrate.ts';
import { spend } from '../../store/queries/index.ts';
import { startSink } from '../../store/sink.ts';
import { eventually, meteredCall, record, testLog } from '../support/calls-topic.ts';
import { insertCalls } from '../support/clickhouse.ts';
import { type FaultyStoreServer, faultyStoreServer } from '../support/store-server.ts';

let folder: string;
let server: FaultyStoreServer;
let store: Store;
let client: StoreClient;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-http-'));
  server = await faultyStoreServer(join(folder, 'store'));
  store = await openStore({ url: server.url, database: 'meter', log: silentLog });
  client = await store.newClient();
  await migrate(client, silentLog);
  await client.command('SYSTEM STOP TTL MERGES');
});
afterAll(async () => {
  await store.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const count = async (logId: string): Promise<number> => {
  const [row] = await client.query<{ n: string }>(
    'SELECT count() AS n FROM calls WHERE log_id = {id:String}',
    { id: logId },
  );
  return Number(row!.n);
};

describe('the client over HTTP', () => {
  it('inserts, asks and binds as the embedded one does', async () => {
    const evil = "o'hara\t\\n{x:String}";
    await insertCalls(
      client,
      [{ row: meteredCall(0, { team: evil }), recordedAt: '2026-03-10T12:00:00Z' }],
      'asks',
    );
    const filter = SpendFilterSchema.parse({
      from: '2026-03-01T00:00:00Z',
      to: '2026-04-01T00:00:00Z',
      where: { team: [evil, "'"] },
    });
    expect(await spend(client, filter)).toMatchObject({
      rows: [{ group: { team: evil }, calls: 1, cost_usd: '0.250012' }],
    });
  });

  it('every insert has its own settings: synchronous, one block, its token', async () => {
    server.seen.length = 0;
    await client.insert(
      'ticks',
      Buffer.from('{"partition":0,"at":1,"log_id":"l","offset":1,"recorded_at":1}\n'),
      'a-token',
    );
    expect(server.seen).toEqual([
      {
        query: expect.stringContaining('INSERT INTO ticks'),
        settings: expect.objectContaining({
          async_insert: '0',
          insert_deduplication_token: 'a-token',
          max_execution_time: '30',
          input_format_parallel_parsing: '0',
          input_format_skip_unknown_fields: '0',
        }),
      },
    ]);
  });

  it('tells errors apart by ClickHouse’s numbers', async () => {
    const row = (change: object): Buffer =>
      Buffer.from(
        JSON.stringify({
          ...meteredCall(1),
          log_id: 'e',
          partition: 0,
          offset: 1,
          recorded_at: 1,
          ...change,
        }),
      );
    await expect(client.insert('calls', row({ duration_us: 'secret-8' }))).rejects.toMatchObject({
      code: 'TM_STORE_REFUSED',
      clickhouseCode: 27,
    });
    await expect(client.insert('calls', row({ duration_us: 'secret-8' }))).rejects.not.toThrow('secret-8');
    await expect(client.insert('calls', row({ newer: 1 }))).rejects.toMatchObject({
      code: 'TM_STORE_SCHEMA',
    });
    await expect(client.query('SELECT x FROM nowhere')).rejects.toMatchObject({
      code: 'TM_STORE_QUERY',
      clickhouseCode: 60,
    });
    expect(await count('e')).toBe(0);
  });

  it('a sink waits for a store that is down, and a lost answer is not a second row', async () => {
    const log = await testLog(folder);
    const sink = startSink({ eventLog: log, store, log: silentLog, lingerMs: 10 });
    try {
      await sink.ready;
      const logId = await log.logId();
      server.loseAnswers(2);
      await log.append(Array.from({ length: 20 }, (_, n) => record(meteredCall(n))));
      await eventually(async () => (await count(logId)) === 20, 'rows whose answers were lost');
      await server.down();
      await log.append(Array.from({ length: 20 }, (_, n) => record(meteredCall(20 + n))));
      await eventually(async () => sink.stats().retries > 3, 'it tries again');
      await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: 'TM_STORE_UNAVAILABLE' });
      await server.up();
      await eventually(async () => (await count(logId)) === 40, 'rows after the store came back');
      await eventually(async () => sink.stats().rows === 40, 'the sink knows it');
      expect(sink.stats().refused).toBe(0);
    } finally {
      await sink.close();
      await log.close();
    }
  });

  it('a server that is not there is told as such', async () => {
    await expect(
      openStore({ url: 'http://127.0.0.1:9', database: 'meter', log: silentLog }),
    ).rejects.toMatchObject({ code: 'TM_STORE_UNAVAILABLE' });
  });
});
