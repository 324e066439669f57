import type { Outbox, OutboxStats, PendingCall } from '../spool/outbox.ts';

/** Calls that may wait for the outbox to open; past it the newest are dropped and counted. */
const MAX_WAITING = 10_000;

/**
 * An outbox that opens when the first call needs it, off that call's path: `begin` and `end` are remembered until it
 * is open. If it can't be opened, calls are counted as dropped, and it is tried again with the next call after
 * `retryMs`.
 */
export class LazyOutbox implements Outbox {
  readonly #open: () => Promise<Outbox>;
  readonly #failed: (error: unknown) => void;
  readonly #retryMs: number;
  #outbox: Outbox | undefined;
  #opening: Promise<void> | undefined;
  #waiting: { readonly call: PendingCall; readonly ended: boolean }[] = [];
  #notBeforeMs = 0;
  #dropped = 0;
  #closed = false;

  constructor(open: () => Promise<Outbox>, failed: (error: unknown) => void, retryMs = 30_000) {
    this.#open = open;
    this.#failed = failed;
    this.#retryMs = retryMs;
  }

  begin(call: PendingCall): void {
    if (this.#outbox !== undefined) this.#outbox.begin(call);
    else this.#wait(call, false);
  }

  end(call: PendingCall): void {
    if (this.#outbox !== undefined) this.#outbox.end(call);
    else this.#wait(call, true);
  }

  async flush(): Promise<void> {
    await this.#opening;
    await this.#outbox?.flush();
  }

  async close(waitMs?: number): Promise<void> {
    this.#closed = true;
    await this.#opening;
    await this.#outbox?.close(waitMs);
  }

  stats(): OutboxStats {
    const stats = this.#outbox?.stats();
    if (stats !== undefined) return { ...stats, dropped: stats.dropped + this.#dropped };
    const ended = this.#waiting.filter((item) => item.ended).length;
    const open = Math.max(0, this.#waiting.length - 2 * ended);
    return { open, buffered: ended, spooled: 0, published: 0, dropped: this.#dropped, durable: false };
  }

  #wait(call: PendingCall, ended: boolean): void {
    if (this.#closed || this.#waiting.length >= MAX_WAITING || performance.now() < this.#notBeforeMs) {
      if (ended) this.#dropped++;
      return;
    }
    this.#waiting.push({ call, ended });
    this.#opening ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#start());
  }

  async #start(): Promise<void> {
    try {
      const outbox = await this.#open();
      this.#outbox = outbox;
      for (const { call, ended } of this.#waiting) {
        if (ended) outbox.end(call);
        else outbox.begin(call);
      }
    } catch (error) {
      this.#dropped += this.#waiting.filter((item) => item.ended).length;
      this.#notBeforeMs = performance.now() + this.#retryMs;
      this.#failed(error);
    } finally {
      this.#waiting = [];
      this.#opening = undefined;
    }
  }
}
