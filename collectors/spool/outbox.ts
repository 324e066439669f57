import type { CallEvent } from '../../schemas/call-event.ts';

/**
 * A call in the hands of an interceptor. `event()` is called by the outbox, off the call path: at a flush while the
 * call is open (its outcome must then read as `lost`: that is what becomes of it if this process dies), and once
 * after `end`. Hashing, scrubbing and serialising belong in there.
 */
export interface PendingCall {
  event(): CallEvent;
}

/** How an outbox is doing, for `doctor`, `/metrics` and tests. */
export interface OutboxStats {
  /** Calls begun and not ended. */
  readonly open: number;
  /** Ended, not yet committed to the spool. */
  readonly buffered: number;
  /** Committed, not yet published. */
  readonly spooled: number;
  readonly published: number;
  readonly dropped: number;
  readonly durable: boolean;
}

/**
 * What interceptors hand calls to. `begin` and `end` never wait, never throw, and do constant work: a push into an
 * array. "Sent" means committed to the spool, which happens within milliseconds of `end`.
 */
export interface Outbox {
  /** A call has begun; still open at a flush, it takes its number and is journalled. */
  begin(call: PendingCall): void;
  /** The call has ended (also one that was never begun: then it is just recorded). Once a call. */
  end(call: PendingCall): void;
  /** Resolves when everything that had ended is committed to the spool. */
  flush(): Promise<void>;
  /** Flushes, publishes for up to `waitMs` (default 2,000), leaves the rest to the next owner, releases the folder. */
  close(waitMs?: number): Promise<void>;
  stats(): OutboxStats;
}
