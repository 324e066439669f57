import type { LogRecord } from '../eventlog/port.ts';
import { CALLS_RECORD } from '../schemas/calls-topic.ts';
import { readDeadLetter } from '../schemas/dead-letter.ts';
import { fromHeaders, HEADER } from '../schemas/record.ts';

/** Where a record stands in the log. */
export interface Place {
  readonly logId: string;
  readonly partition: number;
}

export type Table = 'calls' | 'ticks' | 'completeness' | 'dead_letters';

/** A record as a line of NDJSON for its table, or why it can't be one. */
export type Line = { readonly table: Table; readonly json: Buffer } | { readonly refused: string };

const OPEN = 0x7b;
const CLOSE = 0x7d;
const EMPTY = Buffer.alloc(0);

/**
 * The row of a record of `mcp.calls.v1`: its value is the row's own JSON text, an object whose names are columns, and
 * the log's coordinates are spliced in before its last brace. It is not parsed here: the table's types are the check.
 */
export function callsLine(record: LogRecord, place: Place): Line {
  const kind = record.headers[HEADER.record] ?? CALLS_RECORD.call;
  const table = kind === CALLS_RECORD.call ? 'calls' : kind === CALLS_RECORD.tick ? 'ticks' : 'completeness';
  if (table === 'completeness' && kind !== CALLS_RECORD.completeness) {
    return { refused: `header ${HEADER.record} is not of the calls topic` };
  }
  const value = record.value ?? EMPTY;
  if (value.length < 2 || value[0] !== OPEN || value[value.length - 1] !== CLOSE) {
    return { refused: 'the value is not the text of one JSON object' };
  }
  return { table, json: splice(value, record, place, table !== 'ticks') };
}

/** The row of a record of `mcp.dlq.v1`: the reason and the coordinates, never the bytes. */
export function deadLetterLine(record: LogRecord, place: Place): Line {
  const read = readDeadLetter(record.headers);
  if (read === null) return { refused: 'the headers are not a dead letter' };
  const raw = fromHeaders(read.rawHeaders, EMPTY);
  const { at, collector } = 'problem' in raw ? { at: undefined, collector: undefined } : raw;
  const row = {
    ...read.letter,
    collector: at?.collector ?? collector ?? '',
    instance: at?.instance ?? '',
    epoch: at?.epoch ?? '',
    lane: at?.lane ?? 0,
    seq: at?.seq ?? 0,
    value_bytes: record.value?.length ?? 0,
  };
  return { table: 'dead_letters', json: splice(Buffer.from(JSON.stringify(row)), record, place, true) };
}

/** A tick names its partition itself. */
function splice(object: Buffer, record: LogRecord, place: Place, withPartition: boolean): Buffer {
  const partition = withPartition ? `,"partition":${place.partition}` : '';
  const comma = object.length === 2 ? '' : ',';
  const tail = `${comma}"log_id":${JSON.stringify(place.logId)}${partition},"offset":${record.offset},"recorded_at":${record.appendedAtMs}}\n`;
  const line = Buffer.allocUnsafe(object.length - 1 + tail.length);
  object.copy(line, 0, 0, object.length - 1);
  line.write(tail, object.length - 1, 'latin1');
  return line;
}

/** Offset in the raw topic that a calls row names, without parsing the row: its last `"raw_offset":n`, or null. */
export function rawOffsetOf(value: Buffer | null): bigint | null {
  if (value === null) return null;
  const at = value.lastIndexOf('"raw_offset":');
  if (at < 0) return null;
  let end = at + 13;
  while (end < value.length && value[end]! >= 0x30 && value[end]! <= 0x39) end++;
  return end === at + 13 || end > at + 32 ? null : BigInt(value.toString('latin1', at + 13, end));
}

/** Month of the recorded time, UTC: the table partition, as ClickHouse's toYYYYMM has it. */
export function recordedMonth(recordedAtMs: number): number {
  const date = new Date(recordedAtMs);
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1;
}
