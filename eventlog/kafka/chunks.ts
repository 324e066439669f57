import type { Topic } from '../../schemas/topics.ts';
import { recordTooLarge } from '../errors.ts';
import { groupByPartition } from '../group-records.ts';
import type { NewRecord } from '../port.ts';
import { recordSizeBytes } from '../record-size.ts';

/**
 * What a record adds to its batch beside its own bytes: lengths, deltas (at most 36 bytes) and, a header, two lengths
 * (https://kafka.apache.org/documentation/#record).
 */
const RECORD_OVERHEAD_BYTES = 36;
const HEADER_OVERHEAD_BYTES = 10;
/** Head of a record batch. */
const BATCH_OVERHEAD_BYTES = 61;

/** What a broker must take for a record of `maxRecordBytes` to fit into a batch of its own: `max.message.bytes`. */
export function maxMessageBytes(maxRecordBytes: number): number {
  return maxRecordBytes + 16 * 1024;
}

/** Size of a record in a batch; an upper bound. */
function encodedBytes(record: NewRecord, sizeBytes: number): number {
  let size = sizeBytes + RECORD_OVERHEAD_BYTES;
  for (const _ in record.headers) size += HEADER_OVERHEAD_BYTES;
  return size;
}

/**
 * Sorts records into requests: in each, every partition has one batch that the broker takes; a partition's order stays.
 * @param limitOf `maxRecordBytes` of a topic.
 * @throws ToolmeterError TM_RECORD_TOO_LARGE
 */
export function chunk(records: readonly NewRecord[], limitOf: (topic: Topic) => number): NewRecord[][] {
  const requests: NewRecord[][] = [];
  for (const { topic, records: ofPartition } of groupByPartition(records)) {
    const maxRecordBytes = limitOf(topic);
    const maxBatchBytes = maxMessageBytes(maxRecordBytes);
    let request = 0;
    let batchBytes = BATCH_OVERHEAD_BYTES;
    for (const record of ofPartition) {
      const size = recordSizeBytes(record);
      if (size > maxRecordBytes) throw recordTooLarge(topic, size, maxRecordBytes);
      const encoded = encodedBytes(record, size);
      if (batchBytes > BATCH_OVERHEAD_BYTES && batchBytes + encoded > maxBatchBytes) {
        request++;
        batchBytes = BATCH_OVERHEAD_BYTES;
      }
      batchBytes += encoded;
      const into = requests[request];
      if (into === undefined) requests[request] = [record];
      else into.push(record);
    }
  }
  return requests;
}
