import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { sleep } from '../../core/retry.ts';
import { logUnavailable } from '../errors.ts';

/** Result codes of SQLite (https://www.sqlite.org/rescode.html) that mean "another connection is at it". */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/** `PRAGMA user_version` of the layout below. */
const LAYOUT_VERSION = 1;

/**
 * A call blocks this thread for at most this long on another connection's lock; after that it gives way to the event
 * loop and tries again (`patiently`). Milliseconds.
 */
const BUSY_TIMEOUT_MS = 20;
const PATIENCE_MS = 15_000;

const LAYOUT = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE schedule (from_ms INTEGER PRIMARY KEY, partitions INTEGER NOT NULL) STRICT;
  CREATE TABLE topics (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cleanup TEXT NOT NULL,
    retention_ms INTEGER NOT NULL, max_record_bytes INTEGER NOT NULL
  ) STRICT;
  -- low: oldest offset that is kept; high: next offset; last_ms: newest append time.
  CREATE TABLE partitions (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE positions (
    grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    offset INTEGER NOT NULL, metadata TEXT NOT NULL,
    PRIMARY KEY (grp, topic, partition)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE owners (
    grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, epoch INTEGER NOT NULL,
    PRIMARY KEY (grp, topic, partition)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE members (
    grp TEXT NOT NULL, topic TEXT NOT NULL, member TEXT NOT NULL, pid INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    PRIMARY KEY (grp, topic)
  ) STRICT, WITHOUT ROWID;
`;

/**
 * Opens the log's file, making it (0600) where there is none.
 * @throws ToolmeterError TM_LOG_UNAVAILABLE where it can't be opened, isn't a log, or is a newer version's.
 */
export async function openDatabase(path: string, synchronous: 'FULL' | 'NORMAL'): Promise<DatabaseSync> {
  let db: DatabaseSync | undefined;
  try {
    // node:sqlite is missing from Node 20, where this module must still load.
    const { DatabaseSync } = await import('node:sqlite');
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    chmodSync(path, 0o600);
    const opened = db;
    await patiently(() => opened.exec('PRAGMA journal_mode = WAL'));
    opened.exec(`PRAGMA synchronous = ${synchronous}`);
    opened.exec('PRAGMA journal_size_limit = 67108864');
    opened.exec('PRAGMA wal_autocheckpoint = 4000');
    opened.exec('PRAGMA cache_size = -8192');
    await patiently(() => immediately(opened, () => layOut(opened)));
    return opened;
  } catch (error) {
    db?.close();
    throw logUnavailable(`The embedded log ${path} can't be opened`, error, hintFor(error));
  }
}

function layOut(db: DatabaseSync): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version === LAYOUT_VERSION) return;
  if (version !== 0) throw new Error(`its layout is version ${version}, this is version ${LAYOUT_VERSION}`);
  db.exec(LAYOUT);
  db.exec(`PRAGMA user_version = ${LAYOUT_VERSION}`);
}

/** Runs `work` in a write transaction of its own: all of it, or (when it throws) nothing. */
export function immediately<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite ends the transaction by itself on some errors (full disk, I/O).
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Runs `work`, which has no effect when it throws, again and again while another connection holds the lock. */
export async function patiently<T>(work: () => T): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await sleep(1);
    }
  }
}

function isBusy(error: unknown): boolean {
  const code = resultCode(error) & 0xff;
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}

function resultCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code : 0;
}

const HINTS: Readonly<Record<number, string>> = {
  5: 'Another process holds the file for long; stop it, or wait.',
  8: 'Give this user write permission to the file and its folder.',
  10: 'Look at the disk: it reports an error.',
  11: 'The file is damaged. Move it away; events that were not stored yet are still in the spools of remote collectors.',
  13: 'The disk is full: free some space. Nothing that was acknowledged is lost.',
  14: 'Check the path and its permissions.',
  26: 'The file is not a log. Set TOOLMETER_HOME to another folder.',
};

/** What to do about an error of SQLite. */
export function hintFor(error: unknown): string {
  return HINTS[resultCode(error) & 0xff] ?? 'See the cause.';
}
