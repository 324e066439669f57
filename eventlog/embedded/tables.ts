import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Topic, TopicSpec } from '../../schemas/topics.ts';
import { topicUnknown } from '../errors.ts';
import type { LogRecord, NewRecord } from '../port.ts';

export interface TopicInfo {
  readonly id: number;
  readonly name: Topic;
  readonly partitions: number;
  readonly cleanup: TopicSpec['cleanup'];
  readonly retentionMs: number;
  readonly maxRecordBytes: number;
}

/** Of a partition: its oldest and next offset, and its newest append time. */
export interface Bounds {
  low: number;
  high: number;
  lastMs: number;
}

interface PartitionStatements {
  readonly insert: StatementSync;
  readonly read: StatementSync;
  readonly supersede: StatementSync;
  readonly timeAt: StatementSync;
  readonly trim: StatementSync;
  readonly dropTombstones: StatementSync;
}

type Row = [
  offset: number,
  appendedMs: number,
  key: string | null,
  value: Uint8Array | null,
  headers: string | null,
];

/**
 * The tables of records, and what is known about topics. Each partition is a table of its own: then every append goes
 * to the right edge of one b-tree (full pages, no splits), and order, retention and reads are ranges of its key.
 */
export class Tables {
  readonly #db: DatabaseSync;
  readonly #topics = new Map<string, TopicInfo>();
  readonly #statements = new Map<string, PartitionStatements>();
  readonly #bounds: StatementSync;
  readonly #setBounds: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#bounds = db.prepare(
      'SELECT low, high, last_ms AS lastMs FROM partitions WHERE topic = ? AND partition = ?',
    );
    this.#setBounds = db.prepare(
      'UPDATE partitions SET low = ?, high = ?, last_ms = ? WHERE topic = ? AND partition = ?',
    );
  }

  /** @throws ToolmeterError TM_TOPIC_UNKNOWN */
  topic(name: Topic): TopicInfo {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    this.reload();
    const found = this.#topics.get(name);
    if (found === undefined) throw topicUnknown(name);
    return found;
  }

  /** The topic, where it has that partition. @throws ToolmeterError TM_TOPIC_UNKNOWN */
  partition(name: Topic, partition: number): TopicInfo {
    if (partition >= this.topic(name).partitions) this.reload();
    const topic = this.topic(name);
    if (!Number.isInteger(partition) || partition < 0 || partition >= topic.partitions)
      throw topicUnknown(name, partition);
    return topic;
  }

  /** Reads the topics again: another process may have changed them. */
  reload(): TopicInfo[] {
    const topics = this.#db
      .prepare(
        `SELECT id, name, cleanup, retention_ms AS retentionMs, max_record_bytes AS maxRecordBytes,
           (SELECT count(*) FROM partitions WHERE topic = id) AS partitions FROM topics`,
      )
      .all() as unknown as TopicInfo[];
    this.#topics.clear();
    for (const topic of topics) this.#topics.set(topic.name, topic);
    return topics;
  }

  /** Makes or updates a topic; to be called inside a transaction. */
  putTopic(spec: TopicSpec, partitions: number): void {
    const row = this.#db
      .prepare(
        `INSERT INTO topics (name, cleanup, retention_ms, max_record_bytes) VALUES (?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET
           cleanup = excluded.cleanup, retention_ms = excluded.retention_ms, max_record_bytes = excluded.max_record_bytes
         RETURNING id`,
      )
      .get(spec.name, spec.cleanup, Math.floor(spec.retentionMs), spec.maxRecordBytes) as { id: number };
    for (let partition = 0; partition < partitions; partition++) {
      const table = tableOf(row.id, partition);
      this.#db.exec(
        `CREATE TABLE IF NOT EXISTS ${table} (
           offset INTEGER PRIMARY KEY, appended_ms INTEGER NOT NULL, key TEXT, value BLOB, headers TEXT) STRICT`,
      );
      if (spec.cleanup === 'compact')
        this.#db.exec(`CREATE INDEX IF NOT EXISTS ${table}_key ON ${table} (key)`);
      this.#db
        .prepare('INSERT INTO partitions VALUES (?, ?, 0, 0, 0) ON CONFLICT DO NOTHING')
        .run(row.id, partition);
    }
  }

  bounds(topic: TopicInfo, partition: number): Bounds {
    return this.#bounds.get(topic.id, partition) as unknown as Bounds;
  }

  /**
   * Appends records of one partition, stamped with `nowMs` or the newest time before, whichever is later; to be called
   * inside a transaction. In a compacted topic a key's older records go at once.
   */
  append(topic: TopicInfo, partition: number, records: readonly NewRecord[], nowMs: number): void {
    const { insert, supersede } = this.#of(topic, partition);
    const bounds = this.bounds(topic, partition);
    const appendedMs = Math.max(Math.floor(nowMs), bounds.lastMs);
    let offset = bounds.high;
    for (const { key = null, value, headers } of records) {
      if (topic.cleanup === 'compact' && key !== null) supersede.run(key);
      insert.run(offset++, appendedMs, key, bytesOf(value), headersText(headers));
    }
    this.#setBounds.run(bounds.low, offset, appendedMs, topic.id, partition);
  }

  /** Records from an offset on, up to a count and (after the first) a size. */
  read(topic: TopicInfo, partition: number, from: bigint, maxRecords: number, maxBytes: number): LogRecord[] {
    const records: LogRecord[] = [];
    let size = 0;
    for (const row of this.#of(topic, partition).read.iterate(from, maxRecords)) {
      const [offset, appendedAtMs, key, value, headers] = row as unknown as Row;
      size += (value?.byteLength ?? 0) + (headers?.length ?? 0) + (key?.length ?? 0);
      if (records.length > 0 && size > maxBytes) break;
      records.push({
        offset: BigInt(offset),
        appendedAtMs,
        key,
        value: value && Buffer.from(value.buffer, value.byteOffset, value.byteLength),
        headers: headers === null ? NO_HEADERS : JSON.parse(headers),
      });
    }
    return records;
  }

  /** The append time of the first record at or after an offset; undefined past the end. */
  timeAt(topic: TopicInfo, partition: number, offset: number): number | undefined {
    const row = this.#of(topic, partition).timeAt.get(offset) as [number] | undefined;
    return row?.[0];
  }

  /** Drops the records before `low`, inside a transaction. */
  trim(topic: TopicInfo, partition: number, low: number): void {
    this.#of(topic, partition).trim.run(low);
    const bounds = this.bounds(topic, partition);
    this.#setBounds.run(Math.max(low, bounds.low), bounds.high, bounds.lastMs, topic.id, partition);
  }

  /** Drops tombstones from before a time, inside a transaction. */
  dropTombstones(topic: TopicInfo, partition: number, beforeMs: number): void {
    this.#of(topic, partition).dropTombstones.run(beforeMs);
  }

  #of(topic: TopicInfo, partition: number): PartitionStatements {
    const table = tableOf(topic.id, partition);
    let statements = this.#statements.get(table);
    if (statements === undefined) {
      const prepare = (sql: string): StatementSync => {
        const statement = this.#db.prepare(sql);
        statement.setReturnArrays(true);
        return statement;
      };
      statements = {
        insert: prepare(`INSERT INTO ${table} VALUES (?, ?, ?, ?, ?)`),
        read: prepare(
          `SELECT offset, appended_ms, key, value, headers FROM ${table} WHERE offset >= ? ORDER BY offset LIMIT ?`,
        ),
        supersede: prepare(`DELETE FROM ${table} WHERE key = ?`),
        timeAt: prepare(`SELECT appended_ms FROM ${table} WHERE offset >= ? ORDER BY offset LIMIT 1`),
        trim: prepare(`DELETE FROM ${table} WHERE offset < ?`),
        dropTombstones: prepare(`DELETE FROM ${table} WHERE value IS NULL AND appended_ms < ?`),
      };
      this.#statements.set(table, statements);
    }
    return statements;
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** Ids and partitions are integers of ours: safe in a table's name. */
function tableOf(topicId: number, partition: number): string {
  return `records_${topicId}_${partition}`;
}

function bytesOf(value: NewRecord['value']): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

function headersText(headers: NewRecord['headers']): string | null {
  if (headers === undefined) return null;
  for (const _ in headers) return JSON.stringify(headers);
  return null;
}
