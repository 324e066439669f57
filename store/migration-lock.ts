import { ToolmeterError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { sleep } from '../core/retry.ts';
import type { StoreClient } from './client.ts';
import { StoreError } from './errors.ts';

/** A holder that has died leaves its lock; nothing that a migration does takes this long. */
const STALE_S = 600;
/** How long to wait for a living holder. */
const WAIT_MS = 900_000;
const POLL_MS = 250;
/** ClickHouse's TABLE_ALREADY_EXISTS. */
const EXISTS = 57;

/**
 * Runs `work` while no other process does. ClickHouse has no locks, but making a table is atomic: the lock is the
 * table `migration_lock_N`, and whoever finds N stale makes N + 1, which only one can. The clock is the server's.
 * @throws ToolmeterError TM_MIGRATION_LOCKED
 */
export async function withMigrationLock<T>(
  client: StoreClient,
  log: Log,
  work: () => Promise<T>,
  options: { staleS?: number; waitMs?: number } = {},
): Promise<T> {
  const mine = await acquire(client, log, options.staleS ?? STALE_S, options.waitMs ?? WAIT_MS);
  try {
    return await work();
  } finally {
    for (const lock of await locks(client)) {
      if (lock.n <= mine) await client.command(`DROP TABLE IF EXISTS migration_lock_${lock.n} SYNC`);
    }
  }
}

async function acquire(client: StoreClient, log: Log, staleS: number, waitMs: number): Promise<number> {
  const until = Date.now() + waitMs;
  for (let told = false; ; ) {
    const newest = (await locks(client)).at(-1);
    if (newest === undefined || newest.ageS >= staleS) {
      const n = (newest?.n ?? 0) + 1;
      if (newest !== undefined)
        log.warn({ lock: newest.n, ageS: newest.ageS }, 'migration lock is stale: taken over');
      try {
        await client.command(`CREATE TABLE migration_lock_${n} (n UInt8) ENGINE = Memory`);
        return n;
      } catch (error) {
        if (!(error instanceof StoreError && error.clickhouseCode === EXISTS)) throw error;
      }
    } else if (!told) {
      log.info({ lock: newest.n, ageS: newest.ageS }, 'waiting for another process to migrate');
      told = true;
    }
    if (Date.now() > until) {
      throw new ToolmeterError(
        'TM_MIGRATION_LOCKED',
        'Another process is migrating the database.',
        'Wait for it; if it has died, its lock expires within ten minutes.',
      );
    }
    await sleep(POLL_MS);
  }
}

/** The locks there are, oldest first; age in seconds by the server's clock. */
async function locks(client: StoreClient): Promise<{ n: number; ageS: number }[]> {
  const rows = await client.query<{ name: string; age: string }>(
    `SELECT name, dateDiff('second', metadata_modification_time, now()) AS age FROM system.tables
     WHERE database = currentDatabase() AND name LIKE 'migration\\_lock\\_%'`,
  );
  return rows
    .map((row) => ({ n: Number(row.name.slice('migration_lock_'.length)), ageS: Number(row.age) }))
    .sort((a, b) => a.n - b.n);
}
