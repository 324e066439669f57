import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../core/clock.ts';
import { ToolmeterError } from '../../core/errors.ts';
import type { Topic } from '../../schemas/topics.ts';
import { hasCode, logClosed, logUnavailable, recordTooLarge } from '../errors.ts';
import { groupByPartition, type PartitionRecords } from '../group-records.ts';
import type { AppendResult, LogRecord, NewRecord } from '../port.ts';
import { recordSizeBytes } from '../record-size.ts';
import { hintFor, patiently } from './database.ts';
import { Positions } from './positions.ts';
import { Tables } from './tables.ts';
import { Wake } from './wake.ts';
import { Writer } from './writer.ts';

/** Records that passed every check: writing them can only fail with the file. */
export interface CheckedBatch {
  readonly sizeBytes: number;
  readonly groups: readonly PartitionRecords[];
}

/** One connection to the log's file, and what works on it. */
export class Store {
  readonly db: DatabaseSync;
  readonly path: string;
  readonly clock: Clock;
  readonly tables: Tables;
  readonly positions: Positions;
  readonly wake: Wake;
  readonly writer: Writer;

  constructor(db: DatabaseSync, path: string, clock: Clock) {
    this.db = db;
    this.path = path;
    this.clock = clock;
    this.tables = new Tables(db);
    this.positions = new Positions(db);
    this.wake = new Wake(db);
    this.writer = new Writer(db, path, () => this.wake.notify());
  }

  /** Runs a read. @throws ToolmeterError TM_LOG_UNAVAILABLE, TM_LOG_CLOSED */
  async look<T>(work: () => T): Promise<T> {
    try {
      return await patiently(() => {
        if (!this.db.isOpen) throw logClosed();
        return work();
      });
    } catch (error) {
      if (error instanceof ToolmeterError) throw error;
      throw logUnavailable(`The embedded log ${this.path} can't be read`, error, hintFor(error));
    }
  }

  /** Records from an offset on: at least one where there is one. */
  read(
    topic: Topic,
    partition: number,
    from: bigint,
    limit: { maxRecords: number; maxBytes: number },
  ): Promise<LogRecord[]> {
    return this.look(() =>
      this.tables.read(
        this.tables.partition(topic, partition),
        partition,
        from,
        limit.maxRecords,
        limit.maxBytes,
      ),
    );
  }

  /** All of the records. @throws ToolmeterError TM_RECORD_TOO_LARGE, TM_TOPIC_UNKNOWN, TM_RECORD_INVALID */
  check(records: readonly NewRecord[]): CheckedBatch {
    let sizeBytes = 0;
    for (const record of records) sizeBytes += this.#measure(record);
    return { sizeBytes, groups: groupByPartition(records) };
  }

  /** The records that are not too large, and what became of each. @throws ToolmeterError TM_TOPIC_UNKNOWN, TM_RECORD_INVALID */
  sort(records: readonly NewRecord[]): { results: AppendResult[]; batch: CheckedBatch } {
    const accepted: NewRecord[] = [];
    let sizeBytes = 0;
    const results = records.map((record): AppendResult => {
      try {
        sizeBytes += this.#measure(record);
      } catch (error) {
        if (!hasCode(error, 'TM_RECORD_TOO_LARGE')) throw error;
        return { ok: false, code: 'TM_RECORD_TOO_LARGE' };
      }
      accepted.push(record);
      return { ok: true };
    });
    return { results, batch: { sizeBytes, groups: groupByPartition(accepted) } };
  }

  #measure(record: NewRecord): number {
    const sizeBytes = recordSizeBytes(record);
    const topic = this.tables.partition(record.topic, record.partition);
    if (sizeBytes > topic.maxRecordBytes) throw recordTooLarge(record.topic, sizeBytes, topic.maxRecordBytes);
    if (topic.cleanup === 'compact' && record.key === undefined)
      throw new ToolmeterError('TM_RECORD_INVALID', `A record of ${record.topic} has no key.`);
    return sizeBytes;
  }

  /** Writes a batch, inside a transaction. */
  put(batch: CheckedBatch): void {
    const nowMs = this.clock.nowMs();
    for (const { topic, partition, records } of batch.groups)
      this.tables.append(this.tables.topic(topic), partition, records, nowMs);
  }
}
