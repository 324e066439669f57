import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The file is looked at this often while somebody waits: quickly after something happened, slower when idle. */
const POLL_MIN_MS = 2;
const POLL_MAX_MS = 20;

/**
 * Wakes readers when the log has grown: by this connection at once, by any other thread or process within a poll.
 * `PRAGMA data_version` changes with every commit of another connection and costs microseconds.
 */
export class Wake {
  readonly #dataVersion: StatementSync;
  readonly #waiting = new Set<{ deadline: number; done: () => void }>();
  #seen = -1;
  #pollMs = POLL_MIN_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(db: DatabaseSync) {
    this.#dataVersion = db.prepare('PRAGMA data_version');
    this.#dataVersion.setReturnArrays(true);
  }

  /**
   * Resolves when something was committed since the last poll, after `ms`, or when `signal` aborts. It may resolve
   * for nothing (look again), but never misses a commit made after the caller's last look.
   */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const waiter = {
        deadline: performance.now() + ms,
        done: () => {
          signal.removeEventListener('abort', waiter.done);
          this.#waiting.delete(waiter);
          resolve();
        },
      };
      this.#waiting.add(waiter);
      signal.addEventListener('abort', waiter.done, { once: true });
      this.#timer ??= setTimeout(() => this.#poll(), this.#pollMs);
    });
  }

  /** Wakes everyone. */
  notify(): void {
    this.#pollMs = POLL_MIN_MS;
    for (const waiter of [...this.#waiting]) waiter.done();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.notify();
  }

  #poll(): void {
    this.#timer = undefined;
    let version = this.#seen;
    try {
      version = (this.#dataVersion.get() as unknown as [number])[0];
    } catch {
      // Whatever is wrong with the file, the waiter's next read says it properly.
      this.notify();
      return;
    }
    if (version !== this.#seen) {
      this.#seen = version;
      this.notify();
      return;
    }
    const now = performance.now();
    for (const waiter of [...this.#waiting]) if (waiter.deadline <= now) waiter.done();
    this.#pollMs = Math.min(POLL_MAX_MS, this.#pollMs * 1.5);
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#poll(), this.#pollMs);
  }
}
