import { type ForwardingOutbox, type OutboxOptions, Spool } from './spool.ts';

export type { Destination, HttpDestination, LogDestination } from './destination.ts';
export { destinationFromEnv } from './from-env.ts';
export type { Outbox, OutboxStats, PendingCall } from './outbox.ts';
export type { ForwardingOutbox, OutboxOptions } from './spool.ts';

/**
 * Opens an outbox: a durable spool and a pump that publishes from it. Returns at once; the folder opens behind it,
 * and calls wait in bounded memory meanwhile. Never throws: where there is no disk (or no `node:sqlite`), the spool is
 * memory, and its events say `durable: false`.
 */
export function openOutbox(options: OutboxOptions): ForwardingOutbox {
  return new Spool(options);
}
