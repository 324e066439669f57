import type { Topic } from '../schemas/topics.ts';
import type { NewRecord } from './port.ts';

/** Records of one partition, in order. */
export interface PartitionRecords {
  readonly topic: Topic;
  readonly partition: number;
  readonly records: NewRecord[];
}

/** The same records, sorted into their partitions. */
export function groupByPartition(records: Iterable<NewRecord>): PartitionRecords[] {
  const groups = new Map<Topic, Map<number, PartitionRecords>>();
  for (const record of records) {
    const { topic, partition } = record;
    let byPartition = groups.get(topic);
    if (byPartition === undefined) {
      byPartition = new Map();
      groups.set(topic, byPartition);
    }
    const group = byPartition.get(partition);
    if (group === undefined) byPartition.set(partition, { topic, partition, records: [record] });
    else group.records.push(record);
  }
  return [...groups.values()].flatMap((byPartition) => [...byPartition.values()]);
}
