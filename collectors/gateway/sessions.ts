import type { RpcTracker } from '../rpc/tracker.ts';

/**
 * What this process knows of sessions that passed through it: who the client said it is, and which calls are open, so
 * that a cancellation or an answer that comes by another request finds its call. Nothing depends on it: a session
 * that is not known here (another replica's, or forgotten) is served the same, and its records say less.
 */
export class Sessions {
  readonly #trackers = new Map<string, RpcTracker>();
  readonly #max: number;

  constructor(max = MAX_SESSIONS) {
    this.#max = max;
  }

  /** A session is one only together with its server and its caller: ids are the upstream's, and can be guessed. */
  static key(server: string, caller: string, session: string): string {
    return JSON.stringify([server, caller, session]);
  }

  get size(): number {
    return this.#trackers.size;
  }

  get(key: string): RpcTracker | undefined {
    const tracker = this.#trackers.get(key);
    if (tracker === undefined) return undefined;
    this.#trackers.delete(key);
    this.#trackers.set(key, tracker);
    return tracker;
  }

  put(key: string, tracker: RpcTracker): void {
    if (this.#trackers.get(key) === tracker) return;
    this.end(key);
    this.#trackers.set(key, tracker);
    if (this.#trackers.size <= this.#max) return;
    const oldest = this.#trackers.keys().next().value as string;
    // Its open calls are followed on by the requests that hold them.
    this.#trackers.delete(oldest);
  }

  /** The session is over: what is still open in it gets no answer. */
  end(key: string): void {
    const tracker = this.#trackers.get(key);
    if (tracker === undefined) return;
    this.#trackers.delete(key);
    tracker.close('disconnected');
  }

  close(): void {
    for (const key of [...this.#trackers.keys()]) this.end(key);
  }
}

const MAX_SESSIONS = 10_000;
