import { uuidv7 } from '../../core/ids.ts';
import type { Commit, JournalRow, LaneRow, SpoolStore, StoredRecord } from './store.ts';
import { storedBytes } from './store.ts';

/** A spool without a disk: what it holds is lost with the process, and its events say so (`durable: false`). */
export class MemoryStore implements SpoolStore {
  readonly durable = false;
  readonly instance = uuidv7();
  readonly #lanes = new Map<number, LaneRow>();
  readonly #journal = new Map<string, JournalRow>();
  #records: StoredRecord[] = [];
  #nextId = 1;
  #nextLane = 1;
  #bytes = 0;

  get size(): { records: number; bytes: number } {
    return { records: this.#records.length, bytes: this.#bytes };
  }

  commit(commit: Commit): void {
    for (const lane of commit.lanes) this.#lanes.set(lane.id, { ...lane });
    for (const { lane, seq } of commit.unjournal) {
      const key = `${lane}/${seq}`;
      const row = this.#journal.get(key);
      if (row !== undefined) this.#bytes -= storedBytes(row.record);
      this.#journal.delete(key);
    }
    for (const row of commit.journal) {
      this.#journal.set(`${row.lane}/${row.seq}`, row);
      this.#bytes += storedBytes(row.record);
    }
    for (const { lane, record } of commit.records) {
      this.#records.push({ id: this.#nextId++, lane, record });
      this.#bytes += storedBytes(record);
    }
  }

  lanes(): LaneRow[] {
    return [...this.#lanes.values()].map((lane) => ({ ...lane }));
  }

  freeLaneIds(count: number): number {
    this.#nextLane += count;
    return this.#nextLane - count;
  }

  journal(): JournalRow[] {
    return [...this.#journal.values()];
  }

  read(afterId: number, maxRecords: number, maxBytes: number): StoredRecord[] {
    const page: StoredRecord[] = [];
    let bytes = 0;
    for (const stored of this.#records) {
      if (stored.id <= afterId) continue;
      bytes += storedBytes(stored.record);
      if (page.length > 0 && (page.length === maxRecords || bytes > maxBytes)) break;
      page.push(stored);
    }
    return page;
  }

  remove(first: number, last: number): void {
    this.#records = this.#records.filter(({ id, record }) => {
      if (id < first || id > last) return true;
      this.#bytes -= storedBytes(record);
      return false;
    });
  }

  sync(): void {}
  close(): void {}
}
