import { messageOf } from '../../core/errors.ts';
import type { Outcome } from '../../schemas/call-event.ts';

/** What looks at the bytes of one connection. Times are on the clock of `performance.now()`. */
export interface Meter {
  fromClient(chunk: Uint8Array, arrivedMs: number): void;
  fromServer(chunk: Uint8Array, arrivedMs: number): void;
  /** The connection is over; calls still open end as `outcome`. Publishes for up to `waitMs`. */
  close(outcome: Outcome, waitMs: number): Promise<void>;
}

interface Seen {
  readonly side: 'fromClient' | 'fromServer';
  readonly chunk: Uint8Array;
  readonly arrivedMs: number;
}

/**
 * Stands between the passing of bytes and the meter: the child and its first messages do not wait until the meter
 * is loaded, and a meter that fails is left out, said once, and nothing else changes.
 */
export class Tap {
  readonly #load: () => Promise<Meter>;
  readonly #warn: (sentence: string) => void;
  /** Seen before the meter was ready, in order. */
  #early: Seen[] | null = [];
  #meter: Meter | null = null;
  #failed = false;
  #opening: Promise<void> | null = null;

  constructor(load: () => Promise<Meter>, warn: (sentence: string) => void) {
    this.#load = load;
    this.#warn = warn;
  }

  /** Loads the meter, once; resolves when it has seen all that came before. */
  open(): Promise<void> {
    this.#opening ??= this.#load().then(
      (meter) => {
        this.#meter = meter;
        const early = this.#early ?? [];
        this.#early = null;
        for (const seen of early) this.#look(seen);
      },
      (error) => this.#fail(error),
    );
    return this.#opening;
  }

  fromClient(chunk: Uint8Array): void {
    this.#look({ side: 'fromClient', chunk, arrivedMs: performance.now() });
  }

  fromServer(chunk: Uint8Array): void {
    this.#look({ side: 'fromServer', chunk, arrivedMs: performance.now() });
  }

  async close(outcome: Outcome, waitMs: number): Promise<void> {
    if (this.#opening === null && this.#early?.length === 0) return;
    await this.open();
    const meter = this.#meter;
    this.#meter = null;
    try {
      await meter?.close(outcome, waitMs);
    } catch (error) {
      this.#fail(error);
    }
  }

  #look(seen: Seen): void {
    if (this.#early !== null) {
      this.#early.push(seen);
      return;
    }
    if (this.#meter === null || this.#failed) return;
    try {
      this.#meter[seen.side](seen.chunk, seen.arrivedMs);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** What the meter has already taken is still closed in order. */
  #fail(error: unknown): void {
    this.#failed = true;
    this.#early = null;
    this.#warn(`calls are not recorded: ${messageOf(error)}${hintOf(error)}`);
  }
}

function hintOf(error: unknown): string {
  const hint = (error as { hint?: unknown } | null)?.hint;
  return typeof hint === 'string' && hint !== '' ? ` ${hint}` : '';
}
