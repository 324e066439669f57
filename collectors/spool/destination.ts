import { createHash } from 'node:crypto';
import { collectorIdOf } from '../../core/home.ts';
import type { AppendResult, NewRecord } from '../../eventlog/port.ts';
import type { PartitionSchedule } from '../../schemas/partition.ts';
import type { RawRecord } from '../../schemas/record.ts';

/** Where a spool's events go. A spool is bound to one destination for its whole life. */
export type Destination = HttpDestination | LogDestination;

/** The ingest endpoint of `toolmeter up`. */
export interface HttpDestination {
  readonly kind: 'http';
  /** Base URL; `/v1/events` is added. */
  readonly url: string;
  /** Collector token. Default: the home folder's. */
  readonly token?: string;
}

/** A log that this process may write to. Holding its credentials is being trusted. */
export interface LogDestination {
  readonly kind: 'log';
  /** Names the log for as long as it is the same one, known before it answers: `kafka:<brokers>`. */
  readonly id: string;
  append(records: readonly NewRecord[]): Promise<AppendResult[]>;
  schedule(): Promise<PartitionSchedule>;
  close?(): Promise<void>;
}

/** Coordinates' collector where the brokers' credentials are the trust. */
export const BROKER_COLLECTOR = 'broker';

/** What the spool knows of its destination. */
export interface Binding {
  /** Stored with the spool; a folder is only taken over by a process with the same one. */
  readonly id: string;
  readonly collector: string;
  readonly trusted: boolean;
}

export function bindingOf(destination: Destination, homeToken: string): Binding {
  if (destination.kind === 'log')
    return { id: `log ${destination.id}`, collector: BROKER_COLLECTOR, trusted: true };
  const token = destination.token ?? homeToken;
  const collector =
    collectorIdOf(token) ??
    createHash('sha256').update(`toolmeter-token:${token}`).digest('hex').slice(0, 32);
  return { id: `http ${baseUrl(destination.url)} ${collector}`, collector, trusted: false };
}

/** Without query, fragment and closing slashes. */
export function baseUrl(url: string): string {
  const parsed = new URL(url);
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`;
}

/** What became of one record of a batch. `rejected`: it will never be taken. */
export type SendResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'rejected'; readonly code: string; readonly message: string };

/**
 * Sends a batch in order. Resolves when all that is `done` is durable at the other end, one result a record. Rejects
 * when that isn't known: the whole batch is then sent again.
 */
export interface Sender {
  send(batch: readonly RawRecord[], signal: AbortSignal): Promise<SendResult[]>;
  close(): Promise<void>;
}
