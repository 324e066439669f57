import type { LogRecord, NewRecord } from '../eventlog/port.ts';
import { CALLS_RECORD, type CompletenessRow, type Tick } from '../schemas/calls-topic.ts';
import { type DeadLetter, deadLetterHeaders } from '../schemas/dead-letter.ts';
import type { MeteredCall } from '../schemas/metered-call.ts';
import { HEADER } from '../schemas/record.ts';
import { PROCESSED_MAX_BYTES, TOPICS } from '../schemas/topics.ts';
import { rowText } from './row-text.ts';
import type { Dead } from './stage.ts';

/** Room for headers and the log's own framing in a record. */
const OVERHEAD_BYTES = 16 * 1024;
const MAX_VALUE_BYTES = PROCESSED_MAX_BYTES - OVERHEAD_BYTES;
/** CloudEvents 1.0, Kafka protocol binding, binary mode. */
export const CALL_CE_TYPE = 'io.toolmeter.call.v1';

/**
 * The record of a processed call. Content that would not fit the log is left out, and the row says so.
 * @param traceFlags Of the call's traceparent; the row has its ids only.
 */
export function callRecord(row: MeteredCall, partition: number, traceFlags = '01'): NewRecord {
  let value = rowText(row);
  if (value.length * 3 > MAX_VALUE_BYTES && Buffer.byteLength(value) > MAX_VALUE_BYTES) {
    value = rowText({
      ...row,
      arguments_text: '',
      arguments_state: 'omitted',
      result_text: '',
      result_state: 'omitted',
    });
  }
  const headers: Record<string, string> = {
    [HEADER.contentType]: 'application/json',
    [HEADER.ceSpecVersion]: '1.0',
    [HEADER.ceId]: row.event_id,
    [HEADER.ceSource]: `/collectors/${row.collector || 'foreign'}/${row.instance}`,
    [HEADER.ceType]: CALL_CE_TYPE,
    [HEADER.ceTime]: row.ts,
  };
  if (row.trace_id !== '') headers[HEADER.traceparent] = `00-${row.trace_id}-${row.span_id}-${traceFlags}`;
  return { topic: TOPICS.calls, partition, value, headers };
}

/** Time's mark in a partition: everything recorded before it is in the log before it. */
export function tickRecord(partition: number, nowMs: number): NewRecord {
  const tick: Tick = { partition, at: new Date(nowMs).toISOString() };
  return {
    topic: TOPICS.calls,
    partition,
    value: JSON.stringify(tick),
    headers: { [HEADER.record]: CALLS_RECORD.tick },
  };
}

export function completenessRecord(row: CompletenessRow, partition: number): NewRecord {
  return {
    topic: TOPICS.calls,
    partition,
    value: JSON.stringify(row),
    headers: { [HEADER.record]: CALLS_RECORD.completeness },
  };
}

/** A dead letter: the bytes and headers as they came, and why. */
export function deadLetterRecord(raw: LogRecord, partition: number, dead: Dead): NewRecord {
  const letter: DeadLetter = {
    code: dead.code,
    message: dead.message.slice(0, 1024),
    hint: dead.hint.slice(0, 1024),
    failed_at: new Date(raw.appendedAtMs).toISOString(),
    raw_partition: partition,
    raw_offset: raw.offset.toString(),
  };
  return {
    topic: TOPICS.dlq,
    partition,
    value: raw.value ?? '',
    headers: deadLetterHeaders(letter, raw.headers),
  };
}
