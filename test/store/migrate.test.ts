import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../core/log.ts';
import { openStore, type Store, type StoreClient } from '../../store/client.ts';
import {
  type Migration,
  migrate,
  migrationStatus,
  readMigrations,
  splitStatements,
} from '../../store/migrate.ts';
import { withMigrationLock } from '../../store/migration-lock.ts';

let folder: string;
let store: Store;
let client: StoreClient;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-migrate-'));
  store = await openStore({ database: 'toolmeter', path: join(folder, 'store'), log: silentLog });
  client = await store.newClient();
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  const tables = await client.query<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY engine = 'View' DESC",
  );
  for (const { name } of tables) await client.command(`DROP TABLE ${name} SYNC`);
});

const states = async (migrations?: readonly Migration[]) =>
  (await migrationStatus(client, migrations)).map((entry) => entry.state);

describe('migrations', () => {
  it('apply in order, once, and can be run again half-way', async () => {
    const all = readMigrations();
    expect(await states()).toEqual(all.map(() => 'pending'));
    expect((await migrate(client, silentLog)).map((m) => m.version)).toEqual(all.map((m) => m.version));
    expect(await states()).toEqual(all.map(() => 'applied'));
    expect(await migrate(client, silentLog)).toEqual([]);
    await client.command('TRUNCATE TABLE migrations');
    expect(await migrate(client, silentLog)).toHaveLength(all.length);
  });

  it('each process that starts at once gets a migrated database, and one applied them', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => store.newClient()));
    const applied = await Promise.all(clients.map((each) => migrate(each, silentLog)));
    expect(applied.map((list) => list.length).sort()).toEqual([0, 0, 0, readMigrations().length]);
    await Promise.all(clients.map((each) => each.close()));
    expect(
      await client.query(
        "SELECT count() AS n FROM system.tables WHERE database = currentDatabase() AND name LIKE 'migration_lock%'",
      ),
    ).toEqual([{ n: '0' }]);
  });

  it('an edited file is refused, an unknown one shown, a failing one named and gone on with', async () => {
    const made = (version: number, sql: string): Migration => ({
      version,
      name: `m${version}`,
      checksum: sql,
      statements: splitStatements(sql),
    });
    const one = made(1, 'CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Memory;');
    const bad = made(2, 'CREATE TABLE IF NOT EXISTS b (x UInt8) ENGINE = Memory;\nSELECT nothing;');
    await expect(migrate(client, silentLog, [one, bad])).rejects.toMatchObject({
      code: 'TM_MIGRATION_FAILED',
      message: expect.stringContaining('Migration 2 (m2)'),
    });
    expect(await states([one, bad])).toEqual(['applied', 'pending']);
    expect(await migrate(client, silentLog, [one, made(2, 'SELECT 1;')])).toHaveLength(1);
    expect(await states([one])).toEqual(['applied', 'unknown']);
    await expect(migrate(client, silentLog, [{ ...one, checksum: 'edited' }])).rejects.toMatchObject({
      code: 'TM_MIGRATION_CHANGED',
    });
  });

  it('files are numbered without a gap', () => {
    writeFileSync(join(folder, '0002_x.sql'), 'SELECT 1;');
    expect(() => readMigrations(folder)).toThrow('should have number 1');
  });

  it('statements end with a semicolon at a line’s end; comments go', () => {
    expect(splitStatements("-- one;\nSELECT ';' AS a,\n  -- in\n  2;\n\nSELECT 3;\n")).toEqual([
      "SELECT ';' AS a,\n\n  2",
      'SELECT 3',
    ]);
  });
});

describe('the migration lock', () => {
  it('is held by one, freed on failure, and taken over when stale', async () => {
    let inside = 0;
    let most = 0;
    const clients = await Promise.all(Array.from({ length: 3 }, () => store.newClient()));
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 50));
      inside--;
    };
    await Promise.all(clients.map((each) => withMigrationLock(each, silentLog, work)));
    expect(most).toBe(1);
    await expect(
      withMigrationLock(client, silentLog, () => Promise.reject(new Error('failed'))),
    ).rejects.toThrow('failed');
    await withMigrationLock(client, silentLog, async () => {
      const other = clients[0] as StoreClient;
      await expect(
        withMigrationLock(other, silentLog, () => Promise.resolve(), { waitMs: 300 }),
      ).rejects.toMatchObject({ code: 'TM_MIGRATION_LOCKED' });
      expect(await withMigrationLock(other, silentLog, () => Promise.resolve('mine'), { staleS: 0 })).toBe(
        'mine',
      );
    });
    expect(await withMigrationLock(client, silentLog, () => Promise.resolve('again'))).toBe('again');
    await Promise.all(clients.map((each) => each.close()));
  });

  it('of a process that was killed is taken over: at once where one process can have the store', async () => {
    await client.command("CREATE TABLE migration_lock_7 (n UInt8) ENGINE = Memory COMMENT 'another process'");
    expect(await withMigrationLock(client, silentLog, () => Promise.resolve('mine'), { waitMs: 300 })).toBe(
      'mine',
    );
  });
});
