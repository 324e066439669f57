/**
 * A raw record without its schema: what runs beside other people's servers writes records, and loads no validator.
 */
import type { LaneId, RecordKind } from './record.ts';

/** Names of the log's headers on `mcp.calls.raw.v1`. */
export const HEADER = {
  record: 'tm-record',
  collector: 'tm-collector',
  instance: 'tm-instance',
  epoch: 'tm-epoch',
  lane: 'tm-lane',
  seq: 'tm-seq',
  /** `alive` and `end`: the last number given. */
  last: 'tm-last',
  /** `gap`: how many events were dropped since the epoch began (so that a `gap` may come twice). */
  dropped: 'tm-dropped',
  /** Foreign events: their source id, the key of dedupe. */
  foreignId: 'tm-foreign-id',
  /** `1` where the credential that brought it in may say `verified` and report a cost. */
  trusted: 'tm-trusted',
  /** Set by the pump when it sent a record again without its content. */
  stripped: 'tm-stripped',
  /** `mcp.dlq.v1` → raw: the dead-letter offset that a replay fills. */
  replayOf: 'tm-replay-of',
  traceparent: 'traceparent',
  contentType: 'content-type',
  ceId: 'ce_id',
  ceSource: 'ce_source',
  ceType: 'ce_type',
  ceTime: 'ce_time',
  ceSpecVersion: 'ce_specversion',
} as const;

/** A raw record as it stands in a spool, on the wire of `POST /v1/events`, and (headers + value) in the log. */
export interface RawRecord {
  readonly kind: RecordKind;
  /** Absent on foreign events. */
  readonly at?: LaneId & { readonly seq?: number };
  readonly last?: number;
  readonly dropped?: number;
  readonly foreignId?: string;
  /** Foreign events: the id of the token by which they came. A numbered record's is in its coordinates. */
  readonly collector?: string;
  readonly trusted: boolean;
  readonly stripped?: boolean;
  readonly replayOf?: string;
  readonly traceparent?: string;
  /** JSON text of a `CallEvent`; empty for control records. */
  readonly value: Uint8Array | string;
}

/** Headers of a raw record. */
export function toHeaders(record: RawRecord): Record<string, string> {
  const headers: Record<string, string> = { [HEADER.record]: record.kind };
  if (record.at !== undefined) {
    headers[HEADER.collector] = record.at.collector;
    headers[HEADER.instance] = record.at.instance;
    headers[HEADER.epoch] = record.at.epoch;
    headers[HEADER.lane] = String(record.at.lane);
    if (record.at.seq !== undefined) headers[HEADER.seq] = String(record.at.seq);
  }
  if (record.last !== undefined) headers[HEADER.last] = String(record.last);
  if (record.dropped !== undefined) headers[HEADER.dropped] = String(record.dropped);
  if (record.foreignId !== undefined) headers[HEADER.foreignId] = record.foreignId;
  if (record.at === undefined && record.collector !== undefined) headers[HEADER.collector] = record.collector;
  if (record.trusted) headers[HEADER.trusted] = '1';
  if (record.stripped) headers[HEADER.stripped] = '1';
  if (record.replayOf !== undefined) headers[HEADER.replayOf] = record.replayOf;
  if (record.traceparent !== undefined) headers[HEADER.traceparent] = record.traceparent;
  return headers;
}
