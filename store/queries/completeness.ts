import type { CompletenessFilter, CompletenessResult } from '../../schemas/api.ts';
import type { CompletenessRow } from '../../schemas/calls-topic.ts';
import type { StoreClient } from '../client.ts';
import { count, MILLIS, micros, Where } from './sql.ts';

type Raw = Record<'collector' | 'instance' | 'epoch' | 'first_seen' | 'last_seen', string> &
  Record<'expected' | 'landed' | 'dead' | 'dropped' | 'missing_count', string> & {
    lane: number;
    missing: [string, string][];
    ended: boolean;
    verdict: CompletenessRow['verdict'];
  };
type Totals = Record<
  'lanes' | 'expected' | 'landed' | 'dead' | 'dropped' | 'missing_count' | 'worst',
  string
>;

/** From best to worst. */
const VERDICTS = ['complete', 'unconfirmed', 'missing'] as const;

/** "Is the record complete?": the last word on each lane, and the sum of them. */
export async function completeness(
  client: StoreClient,
  filter: CompletenessFilter,
): Promise<CompletenessResult> {
  const where = new Where();
  if (filter.collector !== undefined)
    where.add('collector = {collector:String}', { collector: filter.collector });
  if (filter.verdict !== undefined) where.add('verdict = {verdict:String}', { verdict: filter.verdict });
  if (filter.seen_since !== undefined) {
    where.add(`last_seen >= ${MILLIS('since')}`, { since: (micros(filter.seen_since) / 1000n).toString() });
  }
  const rank = "indexOf(['complete', 'unconfirmed', 'missing'], verdict)";
  const rows = await client.query<Raw & { totals: Totals }>(
    `WITH lanes AS (SELECT * FROM completeness FINAL WHERE ${where.sql})
     SELECT collector, instance, epoch, lane, expected, landed, dead, dropped, missing, missing_count, first_seen,
       last_seen, ended, verdict,
       CAST((count() OVER (), sum(expected) OVER (), sum(landed) OVER (), sum(dead) OVER (), sum(dropped) OVER (),
         sum(missing_count) OVER (), max(${rank}) OVER ()),
         'Tuple(lanes UInt64, expected UInt64, landed UInt64, dead UInt64, dropped UInt64, missing_count UInt64, worst UInt64)')
         AS totals
     FROM lanes
     ORDER BY ${rank} DESC, last_seen DESC, collector, instance, epoch, lane
     LIMIT {limit:UInt32}`,
    { ...where.params, limit: filter.limit },
  );
  const totals = rows[0]?.totals;
  const total = (name: keyof Totals): number => (totals === undefined ? 0 : count(totals[name]));
  return {
    verdict: VERDICTS[total('worst') - 1] ?? null,
    lanes: total('lanes'),
    expected: total('expected'),
    landed: total('landed'),
    dead: total('dead'),
    dropped: total('dropped'),
    missing_count: total('missing_count'),
    rows: rows.map(({ totals: _, ...row }) => ({
      ...row,
      expected: count(row.expected),
      landed: count(row.landed),
      dead: count(row.dead),
      dropped: count(row.dropped),
      missing: row.missing.map(([first, last]) => [count(first), count(last)]),
      missing_count: count(row.missing_count),
    })),
    truncated: total('lanes') > rows.length,
  };
}
