import { z } from 'zod';
import {
  LATENCY_GROUPS,
  type LatencyFilter,
  type LatencyResult,
  LatencyResultSchema,
} from '../../schemas/api.ts';
import { VANTAGES } from '../../schemas/call-event.ts';
import { narrow } from '../auth/scope.ts';
import { labelParameters, rangeOf, rangeParameters, whereOf, whole, words } from '../query-string.ts';
import { readRoute } from '../route.ts';
import type { RouteDeps } from './deps.ts';

/** `GET /v1/latency`: percentiles and errors, by any labels and by time. */
export const latencyRoute = ({ queries, clock }: RouteDeps) =>
  readRoute({
    path: '/v1/latency',
    id: 'latency',
    summary: 'Latency percentiles and errors per server, tool, …',
    description:
      'Microseconds. Where vantage is neither grouped by nor filtered, only counted observations are taken: one call is one sample.',
    permission: 'latency.read',
    query: z.strictObject({
      ...rangeParameters,
      group_by: words(LATENCY_GROUPS, 6).optional().describe('Default: server,tool. Empty: one row.'),
      ...labelParameters,
      vantage: z.enum(VANTAGES).optional(),
      bucket_s: whole(1, 31_536_000)
        .optional()
        .describe('Width of a time bucket in seconds. Default: one bucket.'),
      limit: whole(1, 10_000).optional().describe('Rows. Default: 1,000.'),
    }),
    result: LatencyResultSchema,
    csv: (result) => latencyTable(result),
    answer: async ({ query, principal }) => {
      const filter: LatencyFilter = {
        ...rangeOf(query, clock.nowMs()),
        group_by: query.group_by ?? ['server', 'tool'],
        where: whereOf(query),
        limit: query.limit ?? 1_000,
        ...(query.vantage !== undefined && { vantage: query.vantage }),
        ...(query.bucket_s !== undefined && { bucket_s: query.bucket_s }),
      };
      const narrowed = narrow(filter, principal);
      return narrowed === null ? { rows: [], truncated: false } : queries.latency(narrowed);
    },
  });

const MEASURES = ['calls', 'errors', 'p50_us', 'p90_us', 'p95_us', 'p99_us', 'max_us'] as const;

function latencyTable({ rows }: LatencyResult) {
  const groups = Object.keys(rows[0]?.group ?? {}) as (keyof LatencyResult['rows'][number]['group'])[];
  return {
    columns: [
      ...groups.map((name) => ({ name, type: 'text' as const })),
      { name: 'bucket', type: 'text' as const },
      ...MEASURES.map((name) => ({ name, type: 'number' as const })),
    ],
    rows: rows.map((row) => [
      ...groups.map((name) => row.group[name] ?? ''),
      row.bucket,
      ...MEASURES.map((name) => row[name]),
    ]),
  };
}
