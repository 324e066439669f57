import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Topic } from '../../schemas/topics.ts';
import type { Position } from '../port.ts';

/** Committed positions of groups; `put` belongs inside a transaction. */
export class Positions {
  readonly #get: StatementSync;
  readonly #put: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare(
      'SELECT offset, metadata FROM positions WHERE grp = ? AND topic = ? AND partition = ?',
    );
    this.#put = db.prepare('INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)');
  }

  get(group: string, topic: Topic, partition: number): Position | null {
    const row = this.#get.get(group, topic, partition) as { offset: number; metadata: string } | undefined;
    return row === undefined ? null : { offset: BigInt(row.offset), metadata: row.metadata };
  }

  put(group: string, topic: Topic, partition: number, { offset, metadata }: Position): void {
    this.#put.run(group, topic, partition, offset, metadata);
  }
}
