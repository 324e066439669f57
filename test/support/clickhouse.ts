import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uuidv7 } from '../../core/ids.ts';
import { silentLog } from '../../core/log.ts';
import type { LogRecord } from '../../eventlog/port.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import { openStore, type Store, type StoreClient } from '../../store/client.ts';
import { migrate } from '../../store/migrate.ts';
import { callsLine } from '../../store/rows.ts';
import { record } from './calls-topic.ts';

export interface TestStore {
  readonly store: Store;
  readonly client: StoreClient;
  close(): Promise<void>;
}

/** An embedded, migrated store in a folder of its own; `close` removes it. One a process at a time. */
export async function embeddedStore(): Promise<TestStore> {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-store-'));
  const store = await openStore({ database: 'toolmeter', path: join(folder, 'store'), log: silentLog });
  const client = await store.newClient();
  await migrate(client, silentLog);
  // Tests have fixed dates: content must not expire by the machine's.
  await client.command('SYSTEM STOP TTL MERGES');
  return {
    store,
    client,
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A migrated database of its own on the server at `url`; `close` drops it. User and password from the environment. */
export async function serverStore(url: string, env = process.env): Promise<TestStore> {
  const database = `toolmeter_test_${uuidv7().replaceAll('-', '')}`;
  const store = await openStore({
    url,
    database,
    log: silentLog,
    ...(env.CLICKHOUSE_USER !== undefined && { user: env.CLICKHOUSE_USER }),
    ...(env.CLICKHOUSE_PASSWORD !== undefined && { password: env.CLICKHOUSE_PASSWORD }),
  });
  const client = await store.newClient();
  await migrate(client, silentLog);
  // Tests have fixed dates: content must not expire by the machine's.
  await client.command('SYSTEM STOP TTL MERGES');
  return {
    store,
    client,
    close: async () => {
      await client.command(`DROP DATABASE ${database} SYNC`);
      await store.close();
    },
  };
}

/** Empties every table of calls and what is made from them. */
export async function emptyTables(client: StoreClient): Promise<void> {
  for (const table of ['calls', 'calls_hourly', 'ticks', 'completeness', 'dead_letters']) {
    await client.command(`TRUNCATE TABLE ${table} SYNC`);
  }
}

/** A row and when the log recorded it. */
export interface Recorded {
  readonly row: MeteredCall;
  readonly recordedAt: string;
}

/** Inserts rows as the sink does, but at given recorded times; offsets are the rows' raw offsets. */
export async function insertCalls(
  client: StoreClient,
  rows: readonly Recorded[],
  logId = 'log-1',
): Promise<void> {
  const months = new Map<string, Buffer[]>();
  for (const { row, recordedAt } of rows) {
    const { value, headers } = record(row);
    const at: LogRecord = {
      offset: BigInt(row.raw_offset),
      appendedAtMs: Date.parse(recordedAt),
      key: null,
      value: Buffer.from(value as string),
      headers: headers ?? {},
    };
    const line = callsLine(at, { logId, partition: 0 });
    if ('refused' in line) throw new Error(line.refused);
    const month = recordedAt.slice(0, 7);
    months.set(month, [...(months.get(month) ?? []), line.json]);
  }
  for (const lines of months.values()) await client.insert('calls', Buffer.concat(lines));
}

/** A tick of a partition, as if the log had recorded it then. */
export async function insertTick(
  client: StoreClient,
  recordedAt: string,
  partition = 0,
  logId = 'log-1',
): Promise<void> {
  const ms = Date.parse(recordedAt);
  const tick = { partition, at: recordedAt, log_id: logId, offset: ms, recorded_at: ms };
  await client.insert('ticks', Buffer.from(JSON.stringify(tick)));
}
