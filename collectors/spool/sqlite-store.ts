import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RawRecord } from '../../schemas/raw-record.ts';
import type { Commit, JournalRow, LaneRow, SpoolStore, StoredRecord } from './store.ts';
import { storedBytes } from './store.ts';

/** `PRAGMA user_version` of the layout below. */
const LAYOUT_VERSION = 1;

const LAYOUT = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE lanes (
    id INTEGER PRIMARY KEY, instance TEXT NOT NULL, epoch TEXT NOT NULL, lane INTEGER NOT NULL,
    last INTEGER NOT NULL, dropped INTEGER NOT NULL, gapped INTEGER NOT NULL, ended INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE records (
    -- The value last: what is left of it then lies in pages that counting never reads.
    id INTEGER PRIMARY KEY, lane INTEGER, bytes INTEGER NOT NULL, head TEXT NOT NULL, value ANY NOT NULL
  ) STRICT;
  CREATE TABLE journal (
    lane INTEGER NOT NULL, seq INTEGER NOT NULL, bytes INTEGER NOT NULL, head TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (lane, seq)
  ) STRICT, WITHOUT ROWID;
`;

/** Free pages beyond which some are given back to the disk after a removal; SQLite's page has 4 KiB. */
const SPARE_PAGES = 1024;
/** Given back at a time: more than a batch frees, little enough not to be felt. */
const GIVE_BACK_PAGES = 256;

/** Newest records that are kept in memory too, bytes: a few batches of a pump. */
const FRESH_BYTES = 2 * 1024 * 1024;

/** Who a folder belongs to and where its events go. */
export interface SpoolMeta {
  readonly instance: string;
  readonly machine: string;
  readonly destination: string;
}

export type Sqlite = typeof import('node:sqlite');

/** Result codes of SQLite, https://www.sqlite.org/rescode.html. */
const SQLITE_BUSY = 5;

export function isBusy(error: unknown): boolean {
  return (((error as { errcode?: unknown } | null)?.errcode as number) & 0xff) === SQLITE_BUSY;
}

/**
 * A spool in one SQLite file. The connection holds the file's exclusive lock from the first access until it is
 * closed or the process is gone, however it went: a file that can be opened has no living owner.
 */
export class SqliteStore implements SpoolStore {
  readonly durable = true;
  readonly meta: SpoolMeta;
  readonly #db: DatabaseSync;
  readonly #statements: Record<
    'begin' | 'commit' | 'lane' | 'record' | 'journal' | 'unjournal' | 'read' | 'remove' | 'span',
    StatementSync
  >;
  #nextLane: number;
  #nextRecord: number;
  #records: number;
  #bytes: number;
  /**
   * The newest records: whoever publishes asks for them within moments, and need not read them back. Of the records
   * that there are, each whose id is not below the first's.
   */
  #fresh: Fresh[] = [];
  #freshBytes = 0;

  get instance(): string {
    return this.meta.instance;
  }

  get size(): { records: number; bytes: number } {
    return { records: this.#records, bytes: this.#bytes };
  }

  private constructor(db: DatabaseSync, meta: SpoolMeta) {
    this.#db = db;
    this.meta = meta;
    const { count, bytes, last } = db
      .prepare(
        'SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes, coalesce(max(id), 0) AS last FROM records',
      )
      .get() as { count: number; bytes: number; last: number };
    const journal = db.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM journal').get() as {
      bytes: number;
    };
    const { top } = db.prepare('SELECT coalesce(max(id), 0) AS top FROM lanes').get() as { top: number };
    this.#nextLane = top + 1;
    this.#nextRecord = last + 1;
    this.#records = count;
    this.#bytes = bytes + journal.bytes;
    this.#statements = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      lane: db.prepare('INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
      record: db.prepare('INSERT INTO records (id, lane, bytes, head, value) VALUES (?, ?, ?, ?, ?)'),
      journal: db.prepare('INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?, ?)'),
      unjournal: db.prepare('DELETE FROM journal WHERE lane = ? AND seq = ? RETURNING bytes'),
      // As bytes: whoever sends them on would only encode them again.
      read: db.prepare(
        'SELECT id, lane, head, CAST(value AS BLOB) AS value, bytes FROM records WHERE id > ? ORDER BY id LIMIT ?',
      ),
      remove: db.prepare('DELETE FROM records WHERE id BETWEEN ? AND ?'),
      span: db.prepare(
        'SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM records WHERE id BETWEEN ? AND ?',
      ),
    };
  }

  /**
   * Locks and opens a file.
   * @returns null where it has an owner, was retired, was never finished, or is a newer version's.
   */
  static open(sqlite: Sqlite, file: string, synchronous: 'NORMAL' | 'FULL'): SqliteStore | null {
    const db = connect(sqlite, file, synchronous);
    if (db === null) return null;
    try {
      const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
      if (version !== LAYOUT_VERSION) {
        db.close();
        return null;
      }
      const meta = Object.fromEntries(
        (db.prepare('SELECT key, value FROM meta').all() as { key: string; value: string }[]).map((row) => [
          row.key,
          row.value,
        ]),
      );
      if (meta.retired !== undefined) {
        db.close();
        return null;
      }
      return new SqliteStore(db, meta as unknown as SpoolMeta);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Makes a file. Throws where the disk refuses it. */
  static create(sqlite: Sqlite, file: string, synchronous: 'NORMAL' | 'FULL', meta: SpoolMeta): SqliteStore {
    const db = connect(sqlite, file, synchronous, 2_000);
    if (db === null) throw new Error(`${file} is locked by another process`);
    try {
      db.exec(`BEGIN IMMEDIATE; ${LAYOUT}`);
      const insert = db.prepare('INSERT INTO meta VALUES (?, ?)');
      for (const [key, value] of Object.entries(meta)) insert.run(key, value);
      db.exec(`PRAGMA user_version = ${LAYOUT_VERSION}; COMMIT`);
      return new SqliteStore(db, meta);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  commit(commit: Commit): void {
    const { lane, record, journal, unjournal } = this.#statements;
    let bytes = 0;
    const fresh: Fresh[] = [];
    this.#transaction(() => {
      for (const row of commit.lanes)
        lane.run(
          row.id,
          row.instance,
          row.epoch,
          row.lane,
          row.last,
          row.dropped,
          row.gapped,
          row.ended ? 1 : 0,
        );
      for (const row of commit.unjournal) {
        const gone = unjournal.get(row.lane, row.seq) as { bytes: number } | undefined;
        bytes -= gone?.bytes ?? 0;
      }
      for (const row of commit.journal) {
        const size = storedBytes(row.record);
        const { value, ...head } = row.record;
        journal.run(row.lane, row.seq, size, JSON.stringify(head), value);
        bytes += size;
      }
      for (const row of commit.records) {
        const size = storedBytes(row.record);
        const { value, ...head } = row.record;
        const id = this.#nextRecord++;
        record.run(id, row.lane, size, JSON.stringify(head), value);
        fresh.push({ id, lane: row.lane, record: row.record, bytes: size });
      }
    });
    const freshBytes = bytesOf(fresh);
    this.#records += fresh.length;
    this.#bytes += bytes + freshBytes;
    if (this.#freshBytes + freshBytes > FRESH_BYTES) this.#forget();
    if (freshBytes > FRESH_BYTES) return;
    for (const record of fresh) this.#fresh.push(record);
    this.#freshBytes += freshBytes;
  }

  #forget(): void {
    this.#fresh = [];
    this.#freshBytes = 0;
  }

  lanes(): LaneRow[] {
    const rows = this.#db.prepare('SELECT * FROM lanes ORDER BY id').all() as unknown as (Omit<
      LaneRow,
      'ended'
    > & { ended: number })[];
    return rows.map((row) => ({ ...row, ended: row.ended !== 0 }));
  }

  freeLaneIds(count: number): number {
    this.#nextLane += count;
    return this.#nextLane - count;
  }

  journal(): JournalRow[] {
    const rows = this.#db.prepare('SELECT lane, seq, head, value FROM journal ORDER BY lane, seq').all();
    return (rows as { lane: number; seq: number; head: string; value: string }[]).map(
      ({ lane, seq, head, value }) => ({ lane, seq, record: recordOf(head, value) }),
    );
  }

  read(afterId: number, maxRecords: number, maxBytes: number): StoredRecord[] {
    const page: StoredRecord[] = [];
    if (afterId + 1 >= this.#nextRecord) return page;
    let bytes = 0;
    const fits = (size: number): boolean => {
      bytes += size;
      return page.length === 0 || (page.length < maxRecords && bytes <= maxBytes);
    };
    if (afterId + 1 >= (this.#fresh[0]?.id ?? Number.POSITIVE_INFINITY)) {
      for (const fresh of this.#fresh) {
        if (fresh.id <= afterId) continue;
        if (!fits(fresh.bytes)) break;
        page.push(fresh);
      }
      return page;
    }
    for (const row of this.#statements.read.iterate(afterId, maxRecords)) {
      const { id, lane, head, value, bytes: size } = row as unknown as ReadRow;
      if (!fits(size)) break;
      page.push({ id, lane, record: recordOf(head, value) });
    }
    return page;
  }

  remove(first: number, last: number): void {
    const gone = this.#span(first, last);
    const isEmptied = gone.count === this.#records;
    this.#transaction(() => {
      this.#statements.remove.run(first, last);
      if (isEmptied) this.#db.exec('DELETE FROM lanes WHERE ended = 1');
    });
    this.#records -= gone.count;
    this.#bytes -= gone.bytes;
    this.#fresh = this.#fresh.filter(({ id }) => id < first || id > last);
    this.#freshBytes = bytesOf(this.#fresh);
    this.#giveBack();
  }

  #span(first: number, last: number): { count: number; bytes: number } {
    if (first < (this.#fresh[0]?.id ?? Number.POSITIVE_INFINITY))
      return this.#statements.span.get(first, last) as { count: number; bytes: number };
    const within = this.#fresh.filter(({ id }) => id >= first && id <= last);
    return { count: within.length, bytes: bytesOf(within) };
  }

  sync(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  /** Marks the file as one that nobody shall take over: its records are elsewhere. */
  retire(): void {
    this.#db.exec("INSERT OR REPLACE INTO meta VALUES ('retired', '1')");
    this.sync();
  }

  close(): void {
    this.#db.close();
  }

  #transaction(work: () => void): void {
    this.#statements.begin.run();
    try {
      work();
      this.#statements.commit.run();
    } catch (error) {
      // SQLite ends the transaction by itself on some errors (full disk, I/O).
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #giveBack(): void {
    const { freelist_count: free } = this.#db.prepare('PRAGMA freelist_count').get() as {
      freelist_count: number;
    };
    if (free > SPARE_PAGES) this.#db.exec(`PRAGMA incremental_vacuum(${GIVE_BACK_PAGES})`);
  }
}

interface ReadRow {
  id: number;
  lane: number | null;
  head: string;
  value: Uint8Array;
  bytes: number;
}

interface Fresh extends StoredRecord {
  /** What it takes. */
  readonly bytes: number;
}

function bytesOf(records: readonly Fresh[]): number {
  let bytes = 0;
  for (const record of records) bytes += record.bytes;
  return bytes;
}

function recordOf(head: string, value: RawRecord['value']): RawRecord {
  return { ...(JSON.parse(head) as Omit<RawRecord, 'value'>), value };
}

/** Opens a connection that holds the file exclusively, or null where another has it. */
function connect(
  sqlite: Sqlite,
  file: string,
  synchronous: 'NORMAL' | 'FULL',
  timeoutMs = 0,
): DatabaseSync | null {
  const db = new sqlite.DatabaseSync(file, { timeout: timeoutMs });
  try {
    // Before the first access: the index of the WAL then lives in memory, and the lock is held until closing.
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    db.exec('PRAGMA auto_vacuum = INCREMENTAL');
    db.exec('PRAGMA journal_mode = WAL');
    db.exec(`PRAGMA synchronous = ${synchronous}`);
    // A checkpoint makes the caller wait for the disk: one in 16 MB.
    db.exec('PRAGMA wal_autocheckpoint = 4000');
    db.exec('PRAGMA journal_size_limit = 16777216');
    db.exec('PRAGMA cache_size = -2048');
    db.exec('BEGIN IMMEDIATE; COMMIT');
    return db;
  } catch (error) {
    db.close();
    if (isBusy(error)) return null;
    throw error;
  }
}
