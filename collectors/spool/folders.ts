import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import type { Binding } from './destination.ts';
import { takeOver } from './numbering.ts';
import { type Sqlite, SqliteStore } from './sqlite-store.ts';
import type { LaneRow, SpoolStore } from './store.ts';

const FILE = 'spool.sqlite';
/** Records that are moved from one spool to another at a time. */
const MOVE_RECORDS = 500;
const MOVE_BYTES = 1024 * 1024;
/** A folder whose making was interrupted is cleared away after this long. Milliseconds. */
const UNFINISHED_MS = 3_600_000;

export interface FolderOptions {
  /** Where spools lie, one folder each, named by its spool's id. */
  readonly spools: string;
  /** This machine (`machineId`). */
  readonly machine: string;
  readonly binding: Binding;
  readonly synchronous: 'NORMAL' | 'FULL';
  readonly sqlite: Sqlite;
  readonly log: Log;
}

/**
 * A spool to work with: one that has no living owner and the same destination, else a new one. What an earlier owner
 * left open is ended.
 */
export function openFolder(options: FolderOptions): SqliteStore {
  for (const folder of orphans(options)) {
    if (!folder.isCopy) return folder.store;
    folder.store.close();
  }
  const instance = uuidv7();
  const folder = join(options.spools, instance);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const store = SqliteStore.create(options.sqlite, join(folder, FILE), options.synchronous, {
    instance,
    machine: options.machine,
    destination: options.binding.id,
  });
  chmodSync(join(folder, FILE), 0o600);
  return store;
}

/**
 * Moves what other spools without a living owner hold into `own`, and removes them: what a process leaves behind is
 * sent by whoever comes next. A crash in between sends records twice, which dedupe forgives.
 * @returns how many spools were moved.
 */
export function adoptOrphans(options: FolderOptions, own: SpoolStore, maxBytes: number): number {
  let moved = 0;
  for (const { store, path } of orphans(options, own.instance)) {
    if (own.size.bytes + store.size.bytes > maxBytes) {
      store.close();
      continue;
    }
    move(store, own);
    own.sync();
    store.retire();
    store.close();
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    moved++;
  }
  return moved;
}

function move(from: SqliteStore, to: SpoolStore): void {
  let nextLane = Math.max(0, ...to.lanes().map((lane) => lane.id)) + 1;
  const lanes = new Map<number, LaneRow>(from.lanes().map((lane) => [lane.id, { ...lane, id: nextLane++ }]));
  for (let after = 0; ; ) {
    const page = from.read(after, MOVE_RECORDS, MOVE_BYTES);
    const last = page.at(-1);
    if (last === undefined) return;
    to.commit({
      lanes: after === 0 ? [...lanes.values()] : [],
      records: page.map(({ lane, head, value }) => ({
        lane: lane === null ? null : (lanes.get(lane)?.id ?? null),
        head,
        value,
      })),
      journal: [],
      unjournal: [],
    });
    after = last.id;
  }
}

interface Orphan {
  readonly path: string;
  readonly store: SqliteStore;
  /** Copied from another place or machine: its first owner may live on. */
  readonly isCopy: boolean;
}

/** Spools of our destination that nobody holds, opened and so held by us, their old epochs ended. */
function* orphans(options: FolderOptions, except?: string): Generator<Orphan> {
  const { spools, sqlite, synchronous, binding, machine, log } = options;
  for (const name of existsSync(spools) ? readdirSync(spools).sort() : []) {
    const path = join(spools, name);
    const file = join(path, FILE);
    if (name === except) continue;
    let store: SqliteStore | null = null;
    try {
      if (!existsSync(file)) continue;
      store = SqliteStore.open(sqlite, file, synchronous);
      if (store === null) {
        clearUnfinished(path, file);
        continue;
      }
      if (store.meta.destination !== binding.id) {
        store.close();
        continue;
      }
      const isCopy = store.meta.machine !== machine || store.meta.instance !== basename(path);
      const ending = takeOver(binding, store.lanes(), store.journal(), isCopy);
      if (ending.lanes.length > 0 || ending.unjournal.length > 0) store.commit(ending);
      yield { path, store, isCopy };
    } catch (error) {
      store?.close();
      log.warn({ spool: name, err: messageOf(error) }, "A spool can't be taken over; it is left as it is");
    }
  }
}

/** An empty file is a spool whose making was interrupted (or is under way). */
function clearUnfinished(path: string, file: string): void {
  const { size, mtimeMs } = statSync(file);
  if (size === 0 && Date.now() - mtimeMs > UNFINISHED_MS) rmSync(path, { recursive: true, force: true });
}
