import { ToolmeterError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { sleep } from '../core/retry.ts';
import { MAX_EXECUTION_S, type StoreClient } from './client.ts';
import { StoreError } from './errors.ts';

/** Names this process in the locks that it holds. */
const HOLDER = uuidv7();
/** A holder says this often that it lives. */
const BEAT_MS = 5_000;
/** A holder that has been silent for this long has died: longer than a statement, which its beat waits behind, may run. */
const STALE_S = 2 * MAX_EXECUTION_S;
/** How long to wait for a living holder. */
const WAIT_MS = 900_000;
const POLL_MS = 250;
/** ClickHouse's TABLE_ALREADY_EXISTS. */
const EXISTS = 57;

/**
 * Runs `work` while no other process does. ClickHouse has no locks, but making a table is atomic: the lock is the
 * table `migration_lock_N`, and whoever finds N stale makes N + 1, which only one can. Its holder changes the table's
 * comment as long as it lives; the clock is the server's. The embedded engine has one process at a time: a lock that
 * another one left there is stale at once.
 * @throws ToolmeterError TM_MIGRATION_LOCKED
 */
export async function withMigrationLock<T>(
  client: StoreClient,
  log: Log,
  work: () => Promise<T>,
  options: { staleS?: number; waitMs?: number } = {},
): Promise<T> {
  const mine = await acquire(client, log, options.staleS ?? STALE_S, options.waitMs ?? WAIT_MS);
  const beat = setInterval(() => {
    // Whoever finds it stale nevertheless does what this one does: each statement can be run twice.
    client
      .command(`ALTER TABLE migration_lock_${mine} MODIFY COMMENT '${HOLDER} ${Date.now()}'`)
      .catch((error: unknown) => log.warn({ err: error }, 'the migration lock could not be renewed'));
  }, BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    for (const lock of await locks(client)) {
      if (lock.n <= mine) await client.command(`DROP TABLE IF EXISTS migration_lock_${lock.n} SYNC`);
    }
  }
}

async function acquire(client: StoreClient, log: Log, staleS: number, waitMs: number): Promise<number> {
  const until = Date.now() + waitMs;
  for (let told = false; ; ) {
    const newest = (await locks(client)).at(-1);
    const isDead = newest !== undefined && client.kind === 'embedded' && newest.holder !== HOLDER;
    if (newest === undefined || isDead || newest.ageS >= staleS) {
      const n = (newest?.n ?? 0) + 1;
      if (newest !== undefined)
        log.warn(
          { lock: newest.n, ageS: newest.ageS },
          'migration lock of a process that has died: taken over',
        );
      try {
        await client.command(
          `CREATE TABLE migration_lock_${n} (n UInt8) ENGINE = Memory COMMENT '${HOLDER}'`,
        );
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
        'Wait for it; if it has died, its lock expires within a minute.',
      );
    }
    await sleep(POLL_MS);
  }
}

/** The locks there are, oldest first; age in seconds by the server's clock. */
async function locks(client: StoreClient): Promise<{ n: number; ageS: number; holder: string }[]> {
  const rows = await client.query<{ name: string; age: string; comment: string }>(
    `SELECT name, comment, dateDiff('second', metadata_modification_time, now()) AS age FROM system.tables
     WHERE database = currentDatabase() AND name LIKE 'migration\\_lock\\_%'`,
  );
  return rows
    .map(({ name, age, comment }) => ({
      n: Number(name.slice('migration_lock_'.length)),
      ageS: Number(age),
      holder: comment.split(' ')[0] as string,
    }))
    .sort((a, b) => a.n - b.n);
}
