import type { DatabaseSync } from 'node:sqlite';
import { ToolmeterError } from '../../core/errors.ts';
import { logClosed, logUnavailable } from '../errors.ts';
import { hintFor, immediately, patiently } from './database.ts';

/** One transaction takes no more than this: it holds the lock that other writers wait for. */
const MAX_COMMIT_BYTES = 16 * 1024 * 1024;

/**
 * A piece of work that is committed together with others. `apply` either throws a ToolmeterError before it writes
 * anything, which refuses this job alone, or does all of its writes.
 */
interface Job {
  readonly sizeBytes: number;
  readonly apply: () => unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: what was asked for in one turn of the event loop becomes durable in one transaction, in the order in
 * which it was asked for. One sync of the disk then serves all of its callers.
 */
export class Writer {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #onCommit: () => void;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(db: DatabaseSync, path: string, onCommit: () => void) {
    this.#db = db;
    this.#path = path;
    this.#onCommit = onCommit;
  }

  /** Resolves with what `apply` returned when it is durable. */
  write<T>(sizeBytes: number, apply: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(logClosed());
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ sizeBytes, apply, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Takes no more, and resolves when all that was taken has been answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) await this.#commit(this.#take());
    this.#running = undefined;
  }

  #take(): Job[] {
    let size = 0;
    let count = 0;
    for (const job of this.#queue) {
      size += job.sizeBytes;
      if (count > 0 && size > MAX_COMMIT_BYTES) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #commit(jobs: readonly Job[]): Promise<void> {
    let answers: (() => void)[] = [];
    try {
      await patiently(() => {
        answers = [];
        immediately(this.#db, () => {
          for (const job of jobs) answers.push(attempt(job));
        });
      });
    } catch (error) {
      const problem = logUnavailable(
        `The embedded log ${this.#path} can't be written`,
        error,
        hintFor(error),
      );
      for (const job of jobs) job.reject(problem);
      return;
    }
    for (const answer of answers) answer();
    this.#onCommit();
  }
}

function attempt(job: Job): () => void {
  try {
    const result = job.apply() as never;
    return () => job.resolve(result);
  } catch (error) {
    if (!(error instanceof ToolmeterError)) throw error;
    return () => job.reject(error);
  }
}
