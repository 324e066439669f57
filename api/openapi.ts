import { z } from 'zod';
import { MEDIA_TYPES } from '../collectors/ingest/format.ts';
import { VERSION } from '../core/version.ts';
import { CallEventSchema } from '../schemas/call-event.ts';
import { POLICY } from './auth/policy.ts';
import { type ApiCode, statusOf } from './problem.ts';
import type { ReadRoute } from './route.ts';
import { EventsAnswerSchema } from './routes/events.ts';
import { HealthzSchema, ReadyzSchema } from './routes/meta.ts';
import { StreamQuerySchema } from './routes/stream.ts';

type Json = Record<string, unknown>;

/** Schemas of OpenAPI 3.1 are JSON Schema 2020-12, which is what zod writes; `$schema` is said once, for all. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output' = 'output'): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'draft-2020-12', io }) as Json;
  return json;
}

/** The API's description (OpenAPI 3.1), made from the routes themselves. */
export function openApi(routes: readonly ReadRoute[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) paths[openPath(route.path)] = { get: readOperation(route) };
  paths['/v1/events'] = { post: EVENTS_OPERATION };
  paths['/v1/events/stream'] = { get: STREAM_OPERATION };
  Object.assign(paths, META_PATHS);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Toolmeter',
      version: VERSION,
      description:
        'Who called which MCP tool, for whom, at what cost, how fast, and whether the record is complete.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        api_key: { type: 'http', scheme: 'bearer', bearerFormat: 'tmk_…', description: 'For reading.' },
        collector_token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'tmc_…',
          description: 'For posting.',
        },
      },
      schemas: { Problem: PROBLEM, CallEvent: schemaOf(CallEventSchema, 'input') },
    },
  };
}

const openPath = (path: string): string => path.replaceAll(/:(\w+)/g, '{$1}');

function readOperation(route: ReadRoute): Json {
  const { id, summary, description, permission, query, params, result, csv } = route;
  return {
    operationId: id,
    summary,
    description: `${description ?? ''}\n\nRoles: ${POLICY[permission].join(', ')}.`.trim(),
    tags: [id],
    // Either, or none: without a key on loopback in embedded mode.
    security: [{ api_key: [] }, {}],
    parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query')],
    responses: {
      200: {
        description: 'The answer.',
        content: {
          'application/json': { schema: schemaOf(result) },
          ...(csv !== undefined && { 'text/csv': { schema: { type: 'string' } } }),
        },
      },
      ...problems(
        'TM_PARAMETER_INVALID',
        'TM_UNAUTHENTICATED',
        'TM_FORBIDDEN',
        'TM_ORIGIN_FORBIDDEN',
        ...(params === undefined ? [] : (['TM_NOT_FOUND'] as const)),
        'TM_NOT_ACCEPTABLE',
        'TM_HOST_UNKNOWN',
        'TM_STORE_UNAVAILABLE',
        'TM_BUSY',
        'TM_QUERY_TIMEOUT',
      ),
    },
  };
}

function parametersOf(schema: z.ZodObject | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...json }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(description !== undefined && { description }),
    ...(json.type === 'array' && { style: 'form', explode: true }),
    schema: json,
  }));
}

const PROBLEM_CONTENT = {
  'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
};

/** One response a status, in which its codes are named, and `default` for what any path may say. */
function problems(...codes: ApiCode[]): Json {
  const responses: Record<string, Json> = {};
  for (const code of codes) {
    const status = statusOf(code);
    const before = responses[status]?.description;
    responses[status] = {
      description: before === undefined ? code : `${before}, ${code}`,
      content: PROBLEM_CONTENT,
    };
  }
  return { ...responses, default: { description: 'Any other problem.', content: PROBLEM_CONTENT } };
}

const PROBLEM: Json = {
  type: 'object',
  description: 'RFC 9457. `code` is stable.',
  required: ['type', 'title', 'status', 'detail', 'code', 'hint'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', pattern: '^TM_[A-Z0-9_]+$' },
    hint: { type: 'string' },
    instance: { type: 'string', description: "The request's id, as the server's log has it." },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['parameter', 'message'],
        properties: { parameter: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};

const EVENT_REF = { $ref: '#/components/schemas/CallEvent' };
const BODY_SCHEMAS: Readonly<Record<string, Json>> = {
  'application/json': { anyOf: [EVENT_REF, { type: 'array', items: EVENT_REF }] },
  'application/cloudevents+json': { type: 'object' },
  'application/cloudevents-batch+json': { type: 'array', items: { type: 'object' } },
};

const EVENTS_OPERATION: Json = {
  operationId: 'post_events',
  summary: "Post events: CallEvents, bare or in CloudEvents, or a collector's own records",
  description:
    '202 once the accepted events are on disk. A retry with the same ids counts once for 24 hours. gzip is taken.',
  tags: ['events'],
  security: [{ collector_token: [] }],
  requestBody: {
    required: true,
    content: Object.fromEntries(
      MEDIA_TYPES.map((type) => [type, { schema: BODY_SCHEMAS[type] ?? { type: 'string' } }]),
    ),
  },
  responses: {
    202: {
      description: 'What is not in `rejected` is on disk.',
      content: { 'application/json': { schema: schemaOf(EventsAnswerSchema) } },
    },
    ...problems(
      'TM_REQUEST_MALFORMED',
      'TM_UNAUTHENTICATED',
      'TM_ORIGIN_FORBIDDEN',
      'TM_BODY_TOO_LARGE',
      'TM_MEDIA_TYPE',
      'TM_HOST_UNKNOWN',
      'TM_EVENTS_REJECTED',
      'TM_LOG_UNAVAILABLE',
      'TM_BUSY',
    ),
  },
};

const STREAM_OPERATION: Json = {
  operationId: 'stream_calls',
  summary: 'Calls as they land: server-sent events',
  description: [
    'Events: `call` (data: a row as GET /v1/calls has it) and `gap` (data: `{ "missed": n }`, calls that were left out',
    'because the reader was too slow, or too long away). Send the last `id` as `Last-Event-ID` to go on from there.',
    `\n\nRoles: ${POLICY['calls.read'].join(', ')}.`,
  ].join(' '),
  tags: ['calls'],
  security: [{ api_key: [] }, {}],
  parameters: [
    ...parametersOf(StreamQuerySchema, 'query'),
    {
      name: 'Last-Event-ID',
      in: 'header',
      required: false,
      description: 'Where an earlier stream ended.',
      schema: { type: 'string' },
    },
  ],
  responses: {
    200: { description: 'Never ends.', content: { 'text/event-stream': { schema: { type: 'string' } } } },
    ...problems(
      'TM_PARAMETER_INVALID',
      'TM_UNAUTHENTICATED',
      'TM_FORBIDDEN',
      'TM_ORIGIN_FORBIDDEN',
      'TM_HOST_UNKNOWN',
      'TM_LOG_UNAVAILABLE',
      'TM_BUSY',
    ),
  },
};

const JSON_OBJECT: Json = { type: 'object' };

/** An operation that asks nothing of the store. `answers`: by status, what it means. */
const plainGet = (
  id: string,
  summary: string,
  answers: Readonly<Record<number, string>>,
  content: Json,
  problem: Json = problems('TM_HOST_UNKNOWN'),
): Json => ({
  get: {
    operationId: id,
    summary,
    tags: ['operations'],
    security: id === 'metrics' ? [{ api_key: [] }, {}] : [{}],
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, description]) => [status, { description, content }]),
      ),
      ...problem,
    },
  },
});

const META_PATHS: Readonly<Record<string, Json>> = {
  '/healthz': plainGet(
    'healthz',
    'Whether a restart would help',
    { 200: 'Alive.', 503: 'Only a restart will help.' },
    { 'application/json': { schema: schemaOf(HealthzSchema) } },
    problems(),
  ),
  '/readyz': plainGet(
    'readyz',
    'What is not ready',
    { 200: 'Every part is ready.', 503: '`not_ready` names the parts that are not.' },
    { 'application/json': { schema: schemaOf(ReadyzSchema) } },
    problems(),
  ),
  '/metrics': plainGet(
    'metrics',
    "Toolmeter's own metrics (Prometheus)",
    { 200: 'The metrics.' },
    { 'text/plain': { schema: { type: 'string' } } },
    problems('TM_UNAUTHENTICATED', 'TM_FORBIDDEN', 'TM_HOST_UNKNOWN'),
  ),
  '/openapi.json': plainGet(
    'openapi',
    'This document',
    { 200: 'The document.' },
    { 'application/json': { schema: JSON_OBJECT } },
  ),
};
