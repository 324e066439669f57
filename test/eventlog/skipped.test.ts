import { expect, test } from 'vitest';
import { silentLog } from '../../core/log.ts';
import { type Skipped, SkipWatch } from '../../eventlog/skipped.ts';
import { TOPICS } from '../../schemas/topics.ts';

function watch() {
  const told: [number, bigint, bigint][] = [];
  const logged: string[] = [];
  const tell = ({ partition, from, to }: Skipped): void => void told.push([partition, from, to]);
  const log = { ...silentLog, error: (_: object, message: string) => void logged.push(message) };
  return { skips: new SkipWatch('g', TOPICS.raw, log, tell), told, logged };
}

test.each<[string, asked: bigint, committed: bigint | null, low: bigint, gap: [bigint, bigint] | null]>([
  ['nothing was dropped', 5n, 5n, 5n, null],
  ['a new group begins at the oldest', 0n, null, 25n, null],
  ['a group that has committed 0 had read nothing', 0n, 0n, 25n, [0n, 25n]],
  ['a group without a position reads behind', 7n, null, 25n, [7n, 25n]],
  ['what was committed had been read', 2n, 10n, 25n, [10n, 25n]],
  ['all that was dropped had been committed', 2n, 30n, 25n, null],
  ['read ahead of the commit', 20n, 10n, 25n, [20n, 25n]],
])('%s', (_name, asked, committed, low, gap) => {
  const { skips, told, logged } = watch();
  skips.check(3, asked, committed, low);
  expect(told).toEqual(gap === null ? [] : [[3, ...gap]]);
  expect(logged).toHaveLength(told.length);
});

test('a gap is told once a partition; one that grows, by what is new', () => {
  const { skips, told, logged } = watch();
  for (const low of [10n, 10n, 12n]) for (const partition of [0, 1]) skips.check(partition, 5n, 5n, low);
  expect(told).toEqual([
    [0, 5n, 10n],
    [1, 5n, 10n],
    [0, 10n, 12n],
    [1, 10n, 12n],
  ]);
  expect(logged[0]).toBe('5 offsets were dropped by retention before g had read them');
});
