import type { Log } from '../core/log.ts';
import type { StoreClient } from './client.ts';
import { StoreError } from './errors.ts';

/** How long ClickHouse keeps its own logs, days. */
const DAYS = 7;

/**
 * ClickHouse writes logs of its own into `system.*_log` and, by default, keeps them for ever. Gives each that has no
 * TTL one of a week; resolves with their names. (A server takes a table with a changed definition for an old one when
 * it restarts and makes it anew: so this is done at each start.) The embedded engine has none.
 */
export async function boundSystemLogs(client: StoreClient, log: Log): Promise<string[]> {
  const tables = await client.query<{ name: string }>(
    `SELECT name FROM system.tables
     WHERE database = 'system' AND match(name, '^[a-z_]+_log(_[0-9]+)?$') AND engine = 'MergeTree'
       AND position(engine_full, 'TTL ') = 0
       AND name IN (SELECT table FROM system.columns WHERE database = 'system' AND name = 'event_date')
     ORDER BY name`,
  );
  const bounded: string[] = [];
  for (const { name } of tables) {
    try {
      await client.command(`ALTER TABLE system.${name} MODIFY TTL event_date + INTERVAL ${DAYS} DAY`);
      bounded.push(name);
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'TM_STORE_QUERY')) throw error;
      log.warn(
        { table: `system.${name}`, code: error.clickhouseCode },
        "ClickHouse's own log has no TTL and we may not give it one: it grows without end",
      );
      break;
    }
  }
  if (bounded.length > 0) log.info({ tables: bounded, days: DAYS }, "ClickHouse's own logs bounded");
  return bounded;
}
