import type { PartitionSchedule } from '../schemas/partition.ts';
import { TOPICS, type Topic, type TopicSpec } from '../schemas/topics.ts';

/**
 * A new line of the schedule takes force this much later, so that everyone who reads the schedule at least once in
 * that time agrees on where a lane goes. Milliseconds.
 */
export const SCHEDULE_NOTICE_MS = 60_000;

/** The topics whose partition i belong together: a record of raw i leads to records in i of the others. */
export const PARALLEL_TOPICS: readonly Topic[] = [TOPICS.raw, TOPICS.state, TOPICS.dlq, TOPICS.calls];

/** The schedule with one more line where more partitions are asked for; the same one where not. */
export function growSchedule(
  schedule: PartitionSchedule,
  partitions: number,
  nowMs: number,
): PartitionSchedule {
  const last = schedule.at(-1);
  if (last === undefined) return [{ fromMs: 0, partitions }];
  if (partitions <= last.partitions) return schedule;
  return [
    ...schedule,
    { fromMs: Math.max(last.fromMs + 1, Math.floor(nowMs) + SCHEDULE_NOTICE_MS), partitions },
  ];
}

/**
 * How many partitions each topic shall have: what its spec says, never fewer than there are, and equal for the
 * parallel topics.
 */
export function partitionTargets(
  specs: readonly TopicSpec[],
  existing: ReadonlyMap<Topic, number>,
): Map<Topic, number> {
  const own = new Map(
    specs.map((spec) => [spec.name, Math.max(spec.partitions, existing.get(spec.name) ?? 0)] as const),
  );
  const parallel = Math.max(0, ...PARALLEL_TOPICS.map((topic) => own.get(topic) ?? existing.get(topic) ?? 0));
  return new Map(
    [...own].map(([topic, count]) => [topic, PARALLEL_TOPICS.includes(topic) ? parallel : count] as const),
  );
}
