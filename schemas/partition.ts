import { createHash } from 'node:crypto';
import { uuidv7TimeMs } from '../core/ids.ts';
import type { LaneId } from './record.ts';

/** From when on the four topics have had how many partitions. Dated, so that a lane never moves. */
export type PartitionSchedule = readonly { readonly fromMs: number; readonly partitions: number }[];

/** The count in force at a time: that of the last line that had begun, or of the first. */
export function partitionsAt(schedule: PartitionSchedule, atMs: number): number {
  let count = schedule[0]?.partitions ?? 1;
  for (const line of schedule) if (line.fromMs <= atMs) count = line.partitions;
  return count;
}

function bucket(text: string, count: number): number {
  if (count === 1) return 0;
  return createHash('sha256').update(text).digest().readUInt32BE(0) % count;
}

/** A lane's partition: a pure function of its coordinates and the count in force when its epoch began. */
export function partitionOfLane(lane: LaneId, schedule: PartitionSchedule): number {
  const count = partitionsAt(schedule, uuidv7TimeMs(lane.epoch));
  return bucket(`${lane.collector}\n${lane.instance}\n${lane.epoch}\n${lane.lane}`, count);
}

/** A foreign event's partition, by hash of its id; the count is the newest, since its id is kept for 24 hours only. */
export function partitionOfForeign(foreignId: string, schedule: PartitionSchedule, nowMs: number): number {
  return bucket(foreignId, partitionsAt(schedule, nowMs));
}
