import { describe, expect, test } from 'vitest';
import { growSchedule, partitionTargets, SCHEDULE_NOTICE_MS } from '../../eventlog/schedule.ts';
import { partitionsAt } from '../../schemas/partition.ts';
import { TOPICS, topicSpecs } from '../../schemas/topics.ts';

describe('the partition schedule', () => {
  test('begins at the beginning of time', () => {
    expect(growSchedule([], 6, 1_000)).toEqual([{ fromMs: 0, partitions: 6 }]);
  });

  test('grows with notice, so that a lane that has begun stays where it is', () => {
    const grown = growSchedule([{ fromMs: 0, partitions: 6 }], 12, 1_000.7);
    expect(grown).toEqual([
      { fromMs: 0, partitions: 6 },
      { fromMs: 1_000 + SCHEDULE_NOTICE_MS, partitions: 12 },
    ]);
    expect(partitionsAt(grown, 1_001)).toBe(6);
    expect(partitionsAt(grown, 1_000 + SCHEDULE_NOTICE_MS)).toBe(12);
  });

  test('stays as it is where no more partitions are asked for', () => {
    const schedule = [{ fromMs: 0, partitions: 6 }];
    expect(growSchedule(schedule, 6, 1)).toBe(schedule);
    expect(growSchedule(schedule, 3, 1)).toBe(schedule);
  });

  test('keeps its lines in order when the clock steps back', () => {
    const grown = growSchedule([{ fromMs: 900_000, partitions: 1 }], 2, 5);
    expect(grown.map(({ fromMs }) => fromMs)).toEqual([900_000, 900_001]);
  });
});

describe('partition targets', () => {
  const count = (existing: [keyof typeof TOPICS, number][], wanted: number) =>
    Object.fromEntries(
      partitionTargets(
        topicSpecs(wanted),
        new Map(existing.map(([name, partitions]) => [TOPICS[name], partitions])),
      ),
    );

  test.each([
    ['a new log', [], 4, 4],
    ['a smaller wish', [['raw', 6]], 4, 6],
    ['topics that are not equal', [['calls', 8]], 4, 8],
  ] as const)('%s', (_, existing, wanted, expected) => {
    expect(count([...existing] as [keyof typeof TOPICS, number][], wanted)).toEqual({
      [TOPICS.raw]: expected,
      [TOPICS.calls]: expected,
      [TOPICS.state]: expected,
      [TOPICS.dlq]: expected,
      [TOPICS.alerts]: 1,
    });
  });
});
