import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import { sleep } from '../../core/retry.ts';
import type { Binding } from './destination.ts';
import { takeOver } from './numbering.ts';
import { type Sqlite, SqliteStore } from './sqlite-store.ts';
import type { LaneRow, SpoolStore } from './store.ts';

const FILE = 'spool.sqlite';
/** Records that are moved from one spool to another at a time. */
const MOVE_RECORDS = 200;
const MOVE_BYTES = 256 * 1024;
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
 * sent by whoever comes next. It gives way to the event loop between pages, since this is another one's process. A
 * crash in between sends records twice, which dedupe forgives.
 * @returns how many spools were moved.
 */
export async function adoptOrphans(
  options: FolderOptions,
  own: SpoolStore,
  maxBytes: number,
  signal: AbortSignal,
): Promise<number> {
  let moved = 0;
  for (const { store, path } of orphans(options, own.instance)) {
    try {
      if (own.size.bytes + store.size.bytes > maxBytes) continue;
      if (!(await move(store, own, signal))) return moved;
      own.sync();
      store.retire();
    } finally {
      store.close();
    }
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    moved++;
  }
  return moved;
}

/** False where it was broken off. */
async function move(from: SqliteStore, to: SpoolStore, signal: AbortSignal): Promise<boolean> {
  const rows = from.lanes();
  let lanes: ReadonlyMap<number, LaneRow> | null = null;
  for (let after = 0; ; ) {
    const page = from.read(after, MOVE_RECORDS, MOVE_BYTES);
    const last = page.at(-1);
    if (last === undefined) return true;
    if (after > 0) await sleep(1, signal, true);
    if (signal.aborted) return false;
    const known: ReadonlyMap<number, LaneRow> = lanes ?? renumbered(rows, to);
    to.commit({
      lanes: lanes === null ? [...known.values()] : [],
      records: page.map(({ lane, record }) => ({
        lane: lane === null ? null : (known.get(lane)?.id ?? null),
        record,
      })),
      journal: [],
      unjournal: [],
    });
    lanes = known;
    after = last.id;
  }
}

/** The lanes of another spool under row ids that are free in this one. */
function renumbered(lanes: readonly LaneRow[], to: SpoolStore): Map<number, LaneRow> {
  let id = to.freeLaneIds(lanes.length);
  return new Map(lanes.map((lane) => [lane.id, { ...lane, id: id++ }]));
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
