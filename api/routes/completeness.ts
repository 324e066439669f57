import { z } from 'zod';
import { type CompletenessFilter, CompletenessResultSchema } from '../../schemas/api.ts';
import { time, whole } from '../query-string.ts';
import { readRoute } from '../route.ts';
import type { RouteDeps } from './deps.ts';

/** `GET /v1/completeness`: is the record complete, and what is missing where it is not? */
export const completenessRoute = ({ queries }: RouteDeps) =>
  readRoute({
    path: '/v1/completeness',
    id: 'completeness',
    summary: 'Whether the record is complete: expected, landed, dead and missing, per lane of a collector',
    description: 'A lane without its end is `unconfirmed`, never `complete`. The worst verdict comes first.',
    permission: 'completeness.read',
    query: z.strictObject({
      collector: z.string().max(2048).optional(),
      verdict: z.enum(['complete', 'unconfirmed', 'missing']).optional(),
      seen_since: time.optional().describe('Lanes last seen at or after this time.'),
      limit: whole(1, 10_000).optional().describe('Lanes; the sums are over all. Default: 1,000.'),
    }),
    result: CompletenessResultSchema,
    answer: async ({ query }) => {
      const filter: CompletenessFilter = {
        limit: query.limit ?? 1_000,
        ...(query.collector !== undefined && { collector: query.collector }),
        ...(query.verdict !== undefined && { verdict: query.verdict }),
        ...(query.seen_since !== undefined && { seen_since: query.seen_since }),
      };
      return queries.completeness(filter);
    },
  });
