import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { z } from 'zod';
import type { Clock } from './clock.ts';
import { messageOf, ToolmeterError } from './errors.ts';
import type { Log } from './log.ts';

/** SHA-256, as hex. Enough for a secret of 192 random bits: there is nothing to guess, so nothing to slow down. */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');
export const newSecret = (): string => randomBytes(24).toString('hex');

/** Whether a secret is the one of a hash, in time that does not depend on where they differ. */
export function secretFits(secret: string, hash: string): boolean {
  const given = Buffer.from(hashSecret(secret), 'hex');
  const stored = Buffer.from(hash, 'hex');
  return stored.length === given.length && timingSafeEqual(given, stored);
}

/** How long a change of the file may go unseen, milliseconds. */
const LOOK_MS = 1_000;

/**
 * A JSON file of hashed credentials (0600) that other processes may change: looked at again at most once a second. A
 * file that has become unreadable leaves the last good entries in force, and is logged.
 */
export class CredentialFile<T> {
  readonly #path: string;
  readonly #schema: z.ZodType<{ version: 1; entries: T[] }>;
  readonly #clock: Clock;
  readonly #log: Log;
  #entries: readonly T[] = [];
  #stamp = '';
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** @throws ToolmeterError TM_CREDENTIALS where the file is there and can't be read as what it should be. */
  constructor(path: string, entry: z.ZodType<T>, clock: Clock, log: Log) {
    this.#path = path;
    this.#schema = z.strictObject({ version: z.literal(1), entries: z.array(entry) });
    this.#clock = clock;
    this.#log = log;
    this.#load();
  }

  entries(): readonly T[] {
    const nowMs = this.#clock.nowMs();
    if (Math.abs(nowMs - this.#lookedAtMs) >= LOOK_MS) {
      try {
        this.#load();
      } catch (error) {
        this.#lookedAtMs = nowMs;
        this.#log.error({ file: this.#path, code: 'TM_CREDENTIALS', error }, 'credentials not reloaded');
      }
    }
    return this.#entries;
  }

  /**
   * Writes what `change` makes of the file's newest entries: a new file in place of the old, never half of one, and one
   * process at a time.
   * @throws ToolmeterError TM_CREDENTIALS
   */
  update(change: (entries: readonly T[]) => readonly T[]): void {
    const release = lock(`${this.#path}.lock`);
    try {
      this.#load();
      this.#write(change(this.#entries));
      this.#load();
    } finally {
      release();
    }
  }

  #write(entries: readonly T[]): void {
    const draft = `${this.#path}.${process.pid}.${randomBytes(4).toString('hex')}`;
    writeFileSync(draft, `${JSON.stringify({ version: 1, entries }, null, 2)}\n`, {
      mode: 0o600,
      flag: 'wx',
    });
    chmodSync(draft, 0o600);
    renameSync(draft, this.#path);
  }

  #load(): void {
    this.#lookedAtMs = this.#clock.nowMs();
    if (!existsSync(this.#path)) {
      this.#entries = [];
      this.#stamp = '';
      return;
    }
    try {
      const { mtimeNs, size, ino } = statSync(this.#path, { bigint: true });
      const stamp = `${mtimeNs}:${size}:${ino}`;
      if (stamp === this.#stamp) return;
      this.#entries = this.#schema.parse(JSON.parse(readFileSync(this.#path, 'utf8'))).entries;
      this.#stamp = stamp;
    } catch (error) {
      const issue = error instanceof z.ZodError ? error.issues[0] : undefined;
      throw new ToolmeterError(
        'TM_CREDENTIALS',
        `${this.#path} can't be used: ${issue === undefined ? messageOf(error) : `${issue.path.join('.')}: ${issue.message}`}.`,
        'Restore it from a backup, or move it away and make new keys.',
      );
    }
  }
}

/** Longest wait for another process to end its change, milliseconds; a lock that is older was left by one that died. */
const LOCK_MS = 2_000;
const PAUSE_MS = 10;

/** Takes a lock file. Returns how to free it. Waits in place: a change takes a millisecond, and is rare. */
function lock(path: string): () => void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; ; waitedMs += PAUSE_MS) {
    try {
      closeSync(openSync(path, 'wx', 0o600));
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new ToolmeterError(
          'TM_CREDENTIALS',
          `${path} can't be made: ${messageOf(error)}.`,
          'Check that this user may write the folder.',
        );
      const left =
        waitedMs >= LOCK_MS &&
        Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (left !== false && left >= LOCK_MS) rmSync(path, { force: true });
      Atomics.wait(pause, 0, 0, PAUSE_MS);
    }
  }
}
