import { messageOf } from '../../core/errors.ts';
import { type FolderOptions, openFolder } from './folders.ts';
import { MemoryStore } from './memory-store.ts';
import { loadSqlite } from './sqlite.ts';
import type { SpoolStore } from './store.ts';

export interface OpenedStore {
  readonly store: SpoolStore;
  /** How folders are opened here; null where the spool is memory. */
  readonly folder: FolderOptions | null;
}

/** A spool on disk, or in memory where there is no `node:sqlite` or the disk refuses. Never throws. */
export function openStore(options: Omit<FolderOptions, 'sqlite'>): OpenedStore {
  const { log } = options;
  const sqlite = loadSqlite();
  if (sqlite === null) {
    log.warn({ code: 'TM_SPOOL_MEMORY' }, 'No node:sqlite here: events are spooled in memory only');
    return { store: new MemoryStore(), folder: null };
  }
  const folder: FolderOptions = { ...options, sqlite };
  try {
    return { store: openFolder(folder), folder };
  } catch (error) {
    log.warn(
      { code: 'TM_SPOOL_MEMORY', err: error },
      `No spool on disk, events are spooled in memory only: ${messageOf(error)}`,
    );
    return { store: new MemoryStore(), folder: null };
  }
}
