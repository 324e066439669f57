import type { LatencyFilter, LatencyResult } from '../../schemas/api.ts';
import type { StoreClient } from '../client.ts';
import { count, Where } from './sql.ts';

type Row = Record<`g_${string}`, string> &
  Record<'calls' | 'errors' | 'max_us', string> & { bucket: string | null; q: string[] };

/** Duration quantiles (t-digest) by group and time bucket, over event time. */
export async function latency(client: StoreClient, filter: LatencyFilter): Promise<LatencyResult> {
  const where = new Where()
    .eventTime(filter.from, filter.to)
    .labels(filter.where)
    .add("kind = 'call' AND outcome != 'lost'");
  if (filter.vantage !== undefined) where.add('vantage = {vantage:String}', { vantage: filter.vantage });
  else if (!filter.group_by.includes('vantage')) where.add('counted');
  const groups = filter.group_by.map((group) => `${group} AS g_${group}`);
  const bucket =
    filter.bucket_s === undefined
      ? 'NULL AS bucket'
      : "toStartOfInterval(toDateTime(ts, 'UTC'), toIntervalSecond({bucket_s:UInt32}), 'UTC') AS bucket";
  const keys = [
    ...filter.group_by.map((group) => `g_${group}`),
    ...(filter.bucket_s === undefined ? [] : ['bucket']),
  ];
  const rows = await client.query<Row>(
    `SELECT ${[...groups, bucket].join(', ')},
       count() AS calls, countIf(is_error) AS errors, max(duration_us) AS max_us,
       arrayMap(x -> toUInt64(round(x)), quantilesTDigest(0.5, 0.9, 0.95, 0.99)(duration_us)) AS q
     FROM calls WHERE ${where.sql}
     ${keys.length === 0 ? 'HAVING calls > 0' : `GROUP BY ${keys.join(', ')}`}
     ORDER BY ${[...(filter.bucket_s === undefined ? [] : ['bucket']), 'calls DESC', ...keys].join(', ')}
     LIMIT {page:UInt32}`,
    {
      ...where.params,
      page: filter.limit + 1,
      ...(filter.bucket_s !== undefined && { bucket_s: filter.bucket_s }),
    },
  );
  return {
    rows: rows.slice(0, filter.limit).map((row) => ({
      group: Object.fromEntries(filter.group_by.map((group) => [group, row[`g_${group}`]!])),
      bucket: row.bucket,
      calls: count(row.calls),
      errors: count(row.errors),
      p50_us: count(row.q[0]!),
      p90_us: count(row.q[1]!),
      p95_us: count(row.q[2]!),
      p99_us: count(row.q[3]!),
      max_us: count(row.max_us),
    })),
    truncated: rows.length > filter.limit,
  };
}
