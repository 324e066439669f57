import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { messageOf, ToolmeterError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

/** What a stage needs of something that may change under it: the value that holds now. */
export interface Ref<T> {
  current(): T;
}

/** A value made of files that follows them. */
export interface Reloaded<T> extends Ref<T> {
  /** Not ok while the files on disk are not what is in use. */
  status(): { readonly ok: boolean; readonly detail: string };
  /** How often a changed file was taken over, and refused. */
  counts(): { readonly loaded: number; readonly failed: number };
  close(): void;
}

export interface ReloadOptions {
  readonly log: Log;
  /** What the files are, for messages: `directory`. */
  readonly name: string;
  /** Writes come in bursts: a change is read when the files have been quiet for this long. */
  readonly debounceMs?: number;
  /** Network file systems and mounted config maps don't always tell of changes: look by oneself this often. */
  readonly pollMs?: number;
}

/**
 * Loads now (what `load` throws is thrown) and again when a file changes. A load that fails leaves the last good
 * value in use: it is logged as an error once a version of the files, and `status` says so until a load succeeds.
 */
export function openReloaded<T>(
  files: readonly string[],
  load: () => T,
  options: ReloadOptions,
): Reloaded<T> {
  const { log, name, debounceMs = 200, pollMs = 5000 } = options;
  const paths = files.map((file) => resolve(file));
  let seen = fingerprint(paths);
  let value = load();
  let problem: string | null = null;
  let loadedAt = new Date();
  let loaded = 1;
  let failed = 0;

  const reload = (): void => {
    const now = fingerprint(paths);
    if (now === seen) return;
    seen = now;
    try {
      value = load();
      problem = null;
      loadedAt = new Date();
      loaded++;
      log.info({ name, files }, `${name} reloaded`);
    } catch (error) {
      problem = messageOf(error);
      failed++;
      const code = error instanceof ToolmeterError ? error.code : 'TM_INTERNAL';
      log.error({ name, files, code }, `${name} not reloaded, the last good one stays in use: ${problem}`);
    }
  };

  let quiet: NodeJS.Timeout | undefined;
  const changed = (): void => {
    clearTimeout(quiet);
    quiet = setTimeout(reload, debounceMs);
    quiet.unref();
  };
  // Folders, not files: editors and config maps replace a file by renaming another over it.
  const watchers = [...new Set(paths.map(dirname))].map((folder) => watchFolder(folder, changed, log));
  const poll = paths.length === 0 ? undefined : setInterval(reload, pollMs);
  poll?.unref();

  return {
    current: () => value,
    status() {
      if (problem !== null)
        return {
          ok: false,
          detail: `the last good ${name} of ${loadedAt.toISOString()} is in use: ${problem}`,
        };
      if (files.length === 0) return { ok: true, detail: 'no file is configured' };
      const names = files.map((file) => basename(file)).join(', ');
      return { ok: true, detail: `${names}, loaded ${loadedAt.toISOString()}` };
    },
    counts: () => ({ loaded, failed }),
    close() {
      clearTimeout(quiet);
      clearInterval(poll);
      for (const watcher of watchers) watcher?.close();
    },
  };
}

/** Changes when a file is written, replaced, removed or comes back. */
function fingerprint(paths: readonly string[]): string {
  return paths
    .map((path) => {
      try {
        const stat = statSync(path, { bigint: true });
        return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
      } catch (error) {
        // Why it can't be read is what `load` will say.
        return (error as NodeJS.ErrnoException).code ?? 'unreadable';
      }
    })
    .join('|');
}

function watchFolder(folder: string, changed: () => void, log: Log): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, changed);
    watcher.on('error', (error) => {
      log.warn(
        { folder, error: messageOf(error) },
        'a folder can no longer be watched; its files are polled',
      );
      watcher.close();
    });
    return watcher;
  } catch (error) {
    log.warn({ folder, error: messageOf(error) }, 'a folder cannot be watched; its files are polled');
    return undefined;
  }
}
