import {
  LABELS,
  type SpendFilter,
  type SpendGroup,
  type SpendResult,
  type SpendRow,
} from '../../schemas/api.ts';
import type { StoreClient } from '../client.ts';
import { count, hourCeil, hourFloor, MICROS, MILLIS, micros, SECONDS, Where } from './sql.ts';

const DAY_MS = 86_400_000;

const MEASURES = [
  'calls',
  'errors',
  'tokens_arguments',
  'tokens_result',
  'tokens_definitions',
  'cost_usd',
  'cost_reported_usd',
  'cost_metered_usd',
  'cost_estimated_usd',
  'calls_reported',
  'calls_metered',
  'calls_estimated',
  'calls_unpriced',
] as const;
type Measure = (typeof MEASURES)[number];

/** What each group is grouped by, and the text that it is given as. */
const GROUPS: Readonly<Record<SpendGroup, string>> = {
  ...(Object.fromEntries(LABELS.map((label) => [label, label])) as Record<(typeof LABELS)[number], string>),
  basis: 'cost_basis',
  hour: `formatDateTime(hour, '%Y-%m-%dT%H:00:00Z', 'UTC')`,
  day: `formatDateTime(hour, '%Y-%m-%d', 'UTC')`,
  month: `formatDateTime(hour, '%Y-%m', 'UTC')`,
};
const TIMES: readonly SpendGroup[] = ['hour', 'day', 'month'];

type Row = Record<`g_${string}`, string> & Record<Measure | `total_${Measure}` | 'groups', string>;

/**
 * Calls, tokens and cost by group, over event time, of what counts; exactly, also for a range that does not begin or
 * end with an hour, and as it was known at an earlier time. Whole hours come from the rollup; parts of hours, and the
 * recorded day that `as_known_at` cuts, from the calls themselves. One statement: rows and total are of one moment.
 */
export async function spend(client: StoreClient, filter: SpendFilter): Promise<SpendResult> {
  const { sql, params } = spendSql(filter);
  const rows = await client.query<Row>(sql, params);
  const first = rows[0];
  const groups = first === undefined ? 0 : count(first.groups);
  return {
    rows: rows.map((row) => ({
      group: Object.fromEntries(filter.group_by.map((group) => [group, row[`g_${group}`]!])),
      ...measuresOf(row, ''),
    })),
    total: first === undefined ? NOTHING : measuresOf(first, 'total_'),
    truncated: groups > rows.length,
  };
}

/** The statement of a filter and its bound values. */
export function spendSql(filter: SpendFilter): { sql: string; params: Where['params'] } {
  const from = micros(filter.from);
  const to = micros(filter.to);
  const firstHour = hourCeil(from);
  const endHour = Math.max(firstHour, hourFloor(to));

  const whole = new Where()
    .add(`hour >= ${SECONDS('first_hour')} AND hour < ${SECONDS('end_hour')}`, {
      first_hour: firstHour,
      end_hour: endHour,
    })
    .labels(filter.where);
  const edges = `(toStartOfHour(ts) < ${SECONDS('first_hour')} OR toStartOfHour(ts) >= ${SECONDS('end_hour')})`;
  const parts = new Where().add('counted').eventTime(filter.from, filter.to).labels(filter.where);
  if (filter.as_known_at === undefined) {
    parts.add(edges);
  } else {
    const knownMs = Number(micros(filter.as_known_at) / 1000n);
    const knownDayMs = Math.floor(knownMs / DAY_MS) * DAY_MS;
    whole.add(`day < toDate(${SECONDS('known_day')}, 'UTC')`, { known_day: knownDayMs / 1000 });
    parts.add(`recorded_at < ${MILLIS('known')}`, { known: knownMs.toString() });
    parts.add(`(${edges} OR recorded_at >= ${MICROS('known_day_us')})`, {
      known_day_us: (BigInt(knownDayMs) * 1000n).toString(),
    });
  }

  const groups = filter.group_by.map((group) => `${GROUPS[group]} AS g_${group}`);
  const order = [
    ...filter.group_by.filter((group) => TIMES.includes(group)).map((group) => `g_${group}`),
    'sum_cost_usd DESC',
    ...filter.group_by.map((group) => `g_${group}`),
  ];
  const sql = `
SELECT ${filter.group_by.map((group) => `g_${group}, `).join('')}
  ${MEASURES.map((name) => `sum_${name} AS ${name}, sum(sum_${name}) OVER () AS total_${name}`).join(',\n  ')},
  count() OVER () AS groups
FROM (
  SELECT ${[...groups, ...MEASURES.map((name) => `sum(${name}) AS sum_${name}`)].join(', ')}
  FROM (
    SELECT ${SOURCE} calls, errors FROM calls_rollup WHERE ${whole.sql}
    UNION ALL
    SELECT ${SOURCE.replace('hour,', 'toStartOfHour(ts) AS hour,')} calls, calls * is_error AS errors FROM calls
    WHERE ${parts.sql}
  )
  ${filter.group_by.length === 0 ? '' : `GROUP BY ${filter.group_by.map((group) => `g_${group}`).join(', ')}`}
)
ORDER BY ${order.join(', ')}
LIMIT {limit:UInt32}`;
  return { sql, params: { ...whole.params, ...parts.params, limit: filter.limit } };
}

const SOURCE = `hour, ${LABELS.join(', ')}, cost_basis, tokens_arguments, tokens_result, tokens_definitions,
      cost_usd, cost_reported_usd, cost_metered_usd, cost_estimated_usd,
      if(cost_basis = 'reported', toUInt64(calls), 0) AS calls_reported,
      if(cost_basis = 'metered', toUInt64(calls), 0) AS calls_metered,
      if(cost_basis = 'estimated', toUInt64(calls), 0) AS calls_estimated,
      if(cost_basis = 'unpriced', toUInt64(calls), 0) AS calls_unpriced,`;

type Measures = Omit<SpendRow, 'group'>;

function measuresOf(row: Row, prefix: '' | 'total_'): Measures {
  const n = (name: Measure): number => count(row[`${prefix}${name}` as Measure]);
  const usd = (name: Measure): string => row[`${prefix}${name}` as Measure];
  return {
    calls: n('calls'),
    errors: n('errors'),
    tokens_arguments: n('tokens_arguments'),
    tokens_result: n('tokens_result'),
    tokens_definitions: n('tokens_definitions'),
    cost_usd: usd('cost_usd'),
    by_basis: {
      reported: { calls: n('calls_reported'), cost_usd: usd('cost_reported_usd') },
      metered: { calls: n('calls_metered'), cost_usd: usd('cost_metered_usd') },
      estimated: { calls: n('calls_estimated'), cost_usd: usd('cost_estimated_usd') },
      unpriced: { calls: n('calls_unpriced'), cost_usd: '0' },
    },
  };
}

const NOTHING: Measures = {
  calls: 0,
  errors: 0,
  tokens_arguments: 0,
  tokens_result: 0,
  tokens_definitions: 0,
  cost_usd: '0',
  by_basis: {
    reported: { calls: 0, cost_usd: '0' },
    metered: { calls: 0, cost_usd: '0' },
    estimated: { calls: 0, cost_usd: '0' },
    unpriced: { calls: 0, cost_usd: '0' },
  },
};
