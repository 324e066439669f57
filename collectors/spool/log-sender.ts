import type { NewRecord } from '../../eventlog/port.ts';
import { type PartitionSchedule, partitionOfForeign, partitionOfLane } from '../../schemas/partition.ts';
import { type RawRecord, toHeaders } from '../../schemas/raw-record.ts';
import type { LaneId } from '../../schemas/record.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { LogDestination, Sender, SendResult } from './destination.ts';

/** A new line of the schedule takes force a minute after it was written; half of that leaves room for clocks. */
const SCHEDULE_MS = 30_000;
/** Lanes whose partition is remembered. */
const MAX_LANES = 10_000;

/** Sends straight to a log. */
export function logSender(destination: LogDestination, nowMs: () => number = Date.now): Sender {
  let schedule: PartitionSchedule = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  const partitions = new Map<string, number>();

  const ofLane = (lane: LaneId): number => {
    const key = `${lane.collector}/${lane.instance}/${lane.epoch}/${lane.lane}`;
    let partition = partitions.get(key);
    if (partition === undefined) {
      partition = partitionOfLane(lane, schedule);
      if (partitions.size === MAX_LANES) partitions.clear();
      partitions.set(key, partition);
    }
    return partition;
  };

  const toNew = (record: RawRecord): NewRecord => ({
    topic: TOPICS.raw,
    partition:
      record.at !== undefined
        ? ofLane(record.at)
        : partitionOfForeign(record.foreignId ?? '', schedule, nowMs()),
    value: record.value,
    headers: toHeaders(record),
  });

  return {
    async send(batch) {
      if (nowMs() - readAtMs > SCHEDULE_MS) {
        schedule = await destination.schedule();
        readAtMs = nowMs();
      }
      const results = await destination.append(batch.map(toNew));
      return results.map((result): SendResult => (result.ok ? { kind: 'done' } : { kind: 'too_large' }));
    },
    close: async () => destination.close?.(),
  };
}
