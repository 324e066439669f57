import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Authenticator } from './auth/authenticate.ts';
import type { Permission, Principal } from './auth/policy.ts';
import { CSV_TYPE, type CsvTable, csvText } from './csv.ts';
import { type Format, negotiate } from './negotiate.ts';
import { ApiError } from './problem.ts';

export interface RouteInput<Q, P> {
  readonly query: Q;
  readonly params: P;
  readonly principal: Principal;
}

/**
 * A route that answers a question: zod schemas in and out, the permission that it needs, and what it does. The same
 * object makes the route and its page in OpenAPI.
 */
export interface ReadRoute<
  Q extends z.ZodObject = z.ZodObject,
  P extends z.ZodObject = z.ZodObject,
  R extends z.ZodType = z.ZodType,
> {
  readonly path: string;
  /** OpenAPI's operationId. */
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly permission: Permission;
  readonly query: Q;
  readonly params?: P;
  readonly result: R;
  /** The answer as a table, where it has one. */
  readonly csv?: (result: z.output<R>) => CsvTable;
  readonly answer: (input: RouteInput<z.output<Q>, z.output<P>>) => Promise<z.output<R>>;
}

/** Ties the parts' types together; a list then holds routes of any types. */
export const readRoute = <Q extends z.ZodObject, P extends z.ZodObject, R extends z.ZodType>(
  route: ReadRoute<Q, P, R>,
): ReadRoute => route as unknown as ReadRoute;

/** Adds a route. Its answer is serialised by a function compiled from its schema: what is not in it does not leave. */
export function addReadRoute(app: FastifyInstance, route: ReadRoute, authenticator: Authenticator): void {
  const offered: readonly Format[] = route.csv === undefined ? ['json'] : ['json', 'csv'];
  app.get(
    route.path,
    {
      // Draft 7 is what the serialiser's compiler reads.
      schema: { response: { 200: z.toJSONSchema(route.result, { target: 'draft-7', io: 'output' }) } },
      preHandler: async (request) => {
        authenticator.permit(request, route.permission);
      },
    },
    async (request, reply) => {
      const format = negotiate(request.headers.accept, offered);
      if (format === null)
        throw new ApiError(
          'TM_NOT_ACCEPTABLE',
          `This path answers ${offered.map((name) => (name === 'csv' ? 'text/csv' : 'application/json')).join(' or ')}.`,
          'Set the header accept.',
        );
      const result = await route.answer({
        query: parseQuery(route.query, request.query),
        params: parseQuery(route.params ?? z.object({}), request.params),
        principal: authenticator.principal(request),
      });
      describePage(request, reply, result);
      reply.header('vary', 'accept, origin');
      if (format === 'json' || route.csv === undefined) return result;
      reply
        .type(CSV_TYPE)
        .header('content-disposition', `attachment; filename="toolmeter-${route.id}.csv"`)
        // Text goes past the serialiser of the JSON answer.
        .serializer((text: unknown) => text as string);
      return csvText(route.csv(result));
    },
  );
}

/** Parameters by their schema. @throws ApiError TM_PARAMETER_INVALID, naming each that does not fit. */
export function parseQuery<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((parameter) => ({ parameter, message: 'there is no such parameter' }))
      : [{ parameter: String(issue.path[0] ?? ''), message: issue.message }],
  );
  const first = errors[0];
  throw new ApiError(
    'TM_PARAMETER_INVALID',
    `${first?.parameter}: ${first?.message}`,
    'See /openapi.json for the parameters of this path.',
    errors,
  );
}

/** What a table has no place for goes into headers: the next page (RFC 8288), and that rows were left out. */
function describePage(request: FastifyRequest, reply: FastifyReply, result: unknown): void {
  const { next, truncated } = result as { next?: string | null; truncated?: boolean };
  if (typeof next === 'string') {
    const url = new URL(request.url, 'http://host');
    url.searchParams.set('cursor', next);
    reply.header('link', `<${url.pathname}${url.search}>; rel="next"`);
  }
  if (truncated === true) reply.header('toolmeter-truncated', 'true');
}
