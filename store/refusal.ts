import type { LogRecord, NewRecord } from '../eventlog/port.ts';
import { recordSizeBytes } from '../eventlog/record-size.ts';
import { deadLetterHeaders } from '../schemas/dead-letter.ts';
import { PROCESSED_MAX_BYTES, TOPICS, type Topic } from '../schemas/topics.ts';
import { rawOffsetOf } from './rows.ts';

/** A record that can't be a row, and why. */
export interface Refusal {
  readonly record: LogRecord;
  /** The store can't read it · a row of its raw record, or of a later one, was there before. */
  readonly code: 'TM_STORE_REFUSED' | 'TM_STORE_ORDER';
  readonly message: string;
}

export function unreadable(record: LogRecord): Refusal {
  return { record, code: 'TM_STORE_REFUSED', message: "the store can't read its value as a row" };
}

/**
 * The dead letter of a calls record: its own bytes and headers, under the raw offset that it names. Bytes that would
 * not fit the log beside the reason are left out.
 */
export function deadLetter(
  { record, code, message }: Refusal,
  { topic, partition }: { topic: Topic; partition: number },
): NewRecord {
  const letter = {
    code,
    message: `${topic}/${partition} offset ${record.offset}: ${message}`.slice(0, 1024),
    hint: 'Mend what wrote the row, or update; then replay the dead letter to the calls topic.',
    failed_at: new Date(record.appendedAtMs).toISOString(),
    raw_partition: partition,
    raw_offset: (rawOffsetOf(record.value) ?? record.offset).toString(),
  };
  const headers = deadLetterHeaders(letter, record.headers);
  const dead: NewRecord = { topic: TOPICS.dlq, partition, value: record.value ?? '', headers };
  return recordSizeBytes(dead) <= PROCESSED_MAX_BYTES ? dead : { ...dead, value: '' };
}
