import { z } from 'zod';
import {
  SPEND_GROUPS,
  type SpendFilter,
  type SpendResult,
  SpendResultSchema,
  type SpendRow,
} from '../../schemas/api.ts';
import { narrow } from '../auth/scope.ts';
import { labelParameters, rangeOf, rangeParameters, time, whereOf, whole, words } from '../query-string.ts';
import { readRoute } from '../route.ts';
import type { RouteDeps } from './deps.ts';

const BASES = ['reported', 'metered', 'estimated', 'unpriced'] as const;

/** `GET /v1/spend`: what calls cost, by any labels and times. */
export const spendRoute = ({ queries, clock }: RouteDeps) =>
  readRoute({
    path: '/v1/spend',
    id: 'spend',
    summary: 'Spend by team, cost centre, project, caller, server, tool, model, day …',
    description:
      'Exact USD decimal strings. `as_known_at` gives the report as it was then: what was recorded later is left out.',
    permission: 'spend.read',
    query: z.strictObject({
      ...rangeParameters,
      group_by: words(SPEND_GROUPS, 6).optional().describe('Default: team. Empty: one row.'),
      ...labelParameters,
      as_known_at: time.optional().describe('Only what had been recorded before this time.'),
      limit: whole(1, 10_000).optional().describe('Rows; the total is over all. Default: 1,000.'),
    }),
    result: SpendResultSchema,
    csv: (result) => spendTable(result),
    answer: async ({ query, principal }) => {
      const filter: SpendFilter = {
        ...rangeOf(query, clock.nowMs()),
        group_by: query.group_by ?? ['team'],
        where: whereOf(query),
        limit: query.limit ?? 1_000,
        ...(query.as_known_at !== undefined && { as_known_at: query.as_known_at }),
      };
      const narrowed = narrow(filter, principal);
      return narrowed === null ? NOTHING : queries.spend(narrowed);
    },
  });

const zero = { calls: 0, cost_usd: '0' };
const NOTHING: SpendResult = {
  rows: [],
  total: {
    calls: 0,
    errors: 0,
    tokens_arguments: 0,
    tokens_result: 0,
    tokens_definitions: 0,
    cost_usd: '0',
    by_basis: { reported: zero, metered: zero, estimated: zero, unpriced: zero },
  },
  truncated: false,
};

const MEASURES = [
  'calls',
  'errors',
  'tokens_arguments',
  'tokens_result',
  'tokens_definitions',
  'cost_usd',
] as const;

function spendTable({ rows }: SpendResult) {
  const groups = Object.keys(rows[0]?.group ?? {}) as (keyof SpendRow['group'])[];
  return {
    columns: [
      ...groups.map((name) => ({ name, type: 'text' as const })),
      ...[...MEASURES, ...BASES.map((basis) => `cost_usd_${basis}`)].map((name) => ({
        name,
        type: 'number' as const,
      })),
    ],
    rows: rows.map((row) => [
      ...groups.map((name) => row.group[name] ?? ''),
      ...MEASURES.map((name) => row[name]),
      ...BASES.map((basis) => row.by_basis[basis].cost_usd),
    ]),
  };
}
