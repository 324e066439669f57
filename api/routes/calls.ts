import { z } from 'zod';
import {
  CallDetailSchema,
  type CallSummary,
  CallSummarySchema,
  type CallsFilter,
  CallsResultSchema,
} from '../../schemas/api.ts';
import { OUTCOMES, VANTAGES } from '../../schemas/call-event.ts';
import { isAllowed } from '../auth/policy.ts';
import { narrow, reveal } from '../auth/scope.ts';
import { ApiError } from '../problem.ts';
import { flag, labelParameters, rangeOf, rangeParameters, whereOf, whole, words } from '../query-string.ts';
import { readRoute } from '../route.ts';
import type { RouteDeps } from './deps.ts';

const text = z.string().max(2048);

/** `GET /v1/calls`: observations, newest first, in pages. */
export const callsRoute = ({ queries, clock }: RouteDeps) =>
  readRoute({
    path: '/v1/calls',
    id: 'calls',
    summary: 'Calls, newest first',
    description: 'Without content: that is on the page of a call. `next` is the cursor of the next page.',
    permission: 'calls.read',
    query: z.strictObject({
      ...rangeParameters,
      ...labelParameters,
      outcome: words(OUTCOMES, OUTCOMES.length).optional(),
      vantage: z.enum(VANTAGES).optional(),
      method: text.optional(),
      session_id: text.optional(),
      trace_id: text.optional(),
      pii: text.optional().describe('Calls with findings of this type.'),
      counted: flag
        .optional()
        .describe('Only what counts, or only what does not. Default: all observations.'),
      min_duration_us: whole(0, Number.MAX_SAFE_INTEGER).optional(),
      cursor: z.string().max(256).optional(),
      limit: whole(1, 1_000).optional().describe('Default: 100.'),
    }),
    result: CallsResultSchema,
    csv: ({ rows }) => callsTable(rows),
    answer: async ({ query, principal }) => {
      const { from: _, to: __, outcome, limit, ...rest } = query;
      const plain = Object.fromEntries(
        (
          [
            'vantage',
            'method',
            'session_id',
            'trace_id',
            'pii',
            'counted',
            'min_duration_us',
            'cursor',
          ] as const
        )
          .filter((name) => rest[name] !== undefined)
          .map((name) => [name, rest[name]]),
      ) as Partial<CallsFilter>;
      const filter: CallsFilter = {
        ...rangeOf(query, clock.nowMs()),
        where: whereOf(query),
        ...plain,
        ...(outcome !== undefined && outcome.length > 0 && { outcome }),
        limit: limit ?? 100,
      };
      const narrowed = narrow(filter, principal);
      return narrowed === null ? { rows: [], next: null } : queries.calls(narrowed);
    },
  });

const NUMBERS: ReadonlySet<string> = new Set([
  'duration_us',
  'arguments_bytes',
  'result_bytes',
  'tokens_arguments',
  'tokens_result',
  'tokens_definitions',
  'cost_usd',
]);
const COLUMNS = Object.keys(CallSummarySchema.shape) as (keyof CallSummary)[];

const callsTable = (rows: readonly CallSummary[]) => ({
  columns: COLUMNS.map((name) => ({
    name,
    type: NUMBERS.has(name) ? ('number' as const) : ('text' as const),
  })),
  rows: rows.map((row) =>
    COLUMNS.map((name) => {
      const value = row[name];
      return typeof value === 'object' ? JSON.stringify(value) : value;
    }),
  ),
});

const DetailSchema = CallDetailSchema.extend({
  /** Whether the key may read `arguments_text` and `result_text`; where not, they are empty whatever was kept. */
  content_shown: z.boolean(),
});

/** `GET /v1/calls/:id`: one call, with its cost lines and how each came about. */
export const callRoute = ({ queries }: RouteDeps) =>
  readRoute({
    path: '/v1/calls/:id',
    id: 'call',
    summary: 'One call: cost lines, corrections, and what other vantage points saw',
    description: 'By `event_id`, or by `call_id` (then the observation that counts).',
    permission: 'calls.read',
    query: z.strictObject({}),
    params: z.strictObject({ id: z.string().min(1).max(64) }),
    result: DetailSchema,
    answer: async ({ params, principal }) => {
      const found = await queries.call(params.id);
      const shown = found === null ? null : reveal(found, principal);
      if (shown === null)
        throw new ApiError(
          'TM_NOT_FOUND',
          'There is no call with this id that this key may see.',
          'A call is here about a second after its end; rows expire after retention.calls_months.',
        );
      return { ...shown, content_shown: isAllowed(principal, 'content.read') };
    },
  });
