import { z } from 'zod';
import { type DeadLettersFilter, DeadLettersResultSchema } from '../../schemas/api.ts';
import { rangeOf, rangeParameters, whole } from '../query-string.ts';
import { readRoute } from '../route.ts';
import type { RouteDeps } from './deps.ts';

/** `GET /v1/dead-letters`: what did not become a call, and why. */
export const deadLettersRoute = ({ queries, clock }: RouteDeps) =>
  readRoute({
    path: '/v1/dead-letters',
    id: 'dead_letters',
    summary: 'Records that did not become calls, newest first, with the reason',
    description: 'Without their bytes, which `toolmeter dlq` shows and replays.',
    permission: 'dead_letters.read',
    query: z.strictObject({
      ...rangeParameters,
      code: z
        .string()
        .regex(/^TM_[A-Z0-9_]{1,61}$/)
        .optional(),
      collector: z.string().max(2048).optional(),
      cursor: z.string().max(256).optional(),
      limit: whole(1, 1_000).optional().describe('Default: 100.'),
    }),
    result: DeadLettersResultSchema,
    answer: async ({ query }) => {
      const filter: DeadLettersFilter = {
        ...rangeOf(query, clock.nowMs()),
        limit: query.limit ?? 100,
        ...(query.code !== undefined && { code: query.code }),
        ...(query.collector !== undefined && { collector: query.collector }),
        ...(query.cursor !== undefined && { cursor: query.cursor }),
      };
      return queries.deadLetters(filter);
    },
  });
