import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf, ToolmeterError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { StoreClient } from './client.ts';
import { withMigrationLock } from './migration-lock.ts';

/** A numbered SQL file. Its statements can each be run twice: a crash half-way runs the file again. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** SHA-256 of the file, hex. */
  readonly checksum: string;
  readonly statements: readonly string[];
}

export interface MigrationState {
  readonly version: number;
  readonly name: string;
  readonly state: 'applied' | 'pending' | 'changed' | 'unknown';
  readonly applied_at: string | null;
}

interface AppliedRow {
  version: number;
  name: string;
  checksum: string;
  applied_at: string;
}

const folder = fileURLToPath(new URL('./migrations/', import.meta.url));

/** The migrations of this version of the program, by number. */
export function readMigrations(from = folder): Migration[] {
  const files = readdirSync(from)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .sort();
  return files.map((file, index) => {
    const text = readFileSync(join(from, file), 'utf8');
    const version = Number(file.slice(0, 4));
    if (version !== index + 1) {
      throw new ToolmeterError('TM_MIGRATION_FILES', `Migration ${file} should have number ${index + 1}.`);
    }
    return {
      version,
      name: file.slice(5, -4),
      checksum: createHash('sha256').update(text).digest('hex'),
      statements: splitStatements(text),
    };
  });
}

/** Statements end with `;` at the end of a line; whole-line `--` comments go. */
export function splitStatements(sql: string): string[] {
  return sql
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

async function applied(client: StoreClient): Promise<AppliedRow[]> {
  const [exists] = await client.query(
    "SELECT 1 AS one FROM system.tables WHERE database = currentDatabase() AND name = 'migrations'",
  );
  if (exists === undefined) return [];
  return client.query<AppliedRow>(
    'SELECT version, name, checksum, applied_at FROM migrations FINAL ORDER BY version',
  );
}

/** What is applied, what is not, and what differs from its file or is newer than this program. */
export async function migrationStatus(
  client: StoreClient,
  migrations: readonly Migration[] = readMigrations(),
): Promise<MigrationState[]> {
  const done = new Map((await applied(client)).map((row) => [row.version, row]));
  const states = migrations.map((migration): MigrationState => {
    const row = done.get(migration.version);
    done.delete(migration.version);
    const state = row === undefined ? 'pending' : row.checksum === migration.checksum ? 'applied' : 'changed';
    return { version: migration.version, name: migration.name, state, applied_at: row?.applied_at ?? null };
  });
  for (const row of done.values()) {
    states.push({ version: row.version, name: row.name, state: 'unknown', applied_at: row.applied_at });
  }
  return states;
}

/**
 * Brings the database to this version of the program, under a lock that other processes wait for. Resolves with what
 * was applied now.
 * @throws ToolmeterError TM_MIGRATION_CHANGED when an applied file has been edited, TM_MIGRATION_FAILED with the file's
 *   name, TM_MIGRATION_LOCKED when another process has held the lock for too long
 */
export async function migrate(
  client: StoreClient,
  log: Log,
  migrations: readonly Migration[] = readMigrations(),
): Promise<Migration[]> {
  const before = await migrationStatus(client, migrations);
  refuseChanged(before);
  if (before.every((entry) => entry.state !== 'pending')) return [];
  return withMigrationLock(client, log, async () => {
    await client.command(
      `CREATE TABLE IF NOT EXISTS migrations
       (version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
       ENGINE = ReplacingMergeTree ORDER BY version`,
    );
    const states = await migrationStatus(client, migrations);
    refuseChanged(states);
    const pending = migrations.filter((_, index) => states[index]?.state === 'pending');
    for (const migration of pending) {
      for (const statement of migration.statements) {
        try {
          await client.command(statement);
        } catch (error) {
          throw new ToolmeterError(
            'TM_MIGRATION_FAILED',
            `Migration ${migration.version} (${migration.name}) failed: ${messageOf(error)}`,
            'Mend the cause and run `toolmeter migrate` again: it goes on where it stopped.',
            { cause: error },
          );
        }
      }
      await client.insert(
        'migrations',
        Buffer.from(
          JSON.stringify({ version: migration.version, name: migration.name, checksum: migration.checksum }),
        ),
      );
      log.info({ version: migration.version, name: migration.name }, 'migration applied');
    }
    return pending;
  });
}

function refuseChanged(states: readonly MigrationState[]): void {
  const changed = states.find((entry) => entry.state === 'changed');
  if (changed === undefined) return;
  throw new ToolmeterError(
    'TM_MIGRATION_CHANGED',
    `Migration ${changed.version} (${changed.name}) was applied with another text than this version has.`,
    'Install the version that made this database, or a newer one; an applied migration is never edited.',
  );
}
