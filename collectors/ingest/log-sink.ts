import { type Clock, systemClock } from '../../core/clock.ts';
import type { AppendResult, EventLog, NewRecord } from '../../eventlog/port.ts';
import { type PartitionSchedule, partitionOfForeign, partitionOfLane } from '../../schemas/partition.ts';
import { type RawRecord, toHeaders } from '../../schemas/record.ts';
import { TOPICS } from '../../schemas/topics.ts';

/** A new line of the schedule takes force a minute after it was written (`eventlog/port.ts`): read it twice as often. */
const SCHEDULE_MS = 30_000;

/** Appends raw records to the log, each to its lane's partition, or to that of its foreign id. */
export function logSink(
  log: EventLog,
  clock: Clock = systemClock,
): (records: readonly RawRecord[]) => Promise<AppendResult[]> {
  let schedule: PartitionSchedule | null = null;
  let readAtMs = 0;
  return async (records) => {
    const nowMs = clock.nowMs();
    if (schedule === null || Math.abs(nowMs - readAtMs) >= SCHEDULE_MS) {
      schedule = await log.schedule();
      readAtMs = nowMs;
    }
    const now = schedule;
    return log.append(
      records.map(
        (record): NewRecord => ({
          topic: TOPICS.raw,
          partition:
            record.at === undefined
              ? partitionOfForeign(record.foreignId ?? '', now, nowMs)
              : partitionOfLane(record.at, now),
          value: record.value,
          headers: toHeaders(record),
        }),
      ),
    );
  };
}
