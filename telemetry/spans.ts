import type * as Otel from '@opentelemetry/api';

/**
 * Spans of our own path: a call, its publishing, its processing and its insert are children of one parent, the
 * `traceparent` that the record carries from the collector to the store, so the four share the caller's trace.
 *
 * Work is done in batches, and one batch has many parents. As OpenTelemetry's messaging conventions say, a batch has a
 * span in a trace of its own, *linked* to each message; beside it each sampled message gets a span in its own trace,
 * with the batch's times. All are written after the fact: no context is carried through the code, and nothing is done
 * at all until `startTelemetry` has called `useTracer`.
 */
export interface BatchSpan {
  /** `publish` to the log, `process` (raw → calls), `insert` into the store. */
  readonly operation: 'publish' | 'process' | 'insert';
  /** Topic, or table. */
  readonly destination: string;
  readonly partition?: number;
  /** Unix ms; may have a fraction. */
  readonly startMs: number;
  readonly endMs: number;
  readonly count: number;
  /** Of the batch's records; those that are not sampled, or not valid, are passed over. */
  readonly traceparents: readonly string[];
  /** Stable code, where the batch failed. */
  readonly errorCode?: string;
}

export interface CallSpan {
  readonly traceparent: string;
  readonly method: string;
  readonly tool: string;
  readonly server: string;
  readonly sessionId: string;
  readonly outcome: string;
  readonly startMs: number;
  readonly durationUs: number;
}

export interface RequestSpan {
  readonly traceparent: string | undefined;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** Messages of a batch that get a span and a link: SDKs keep 128 links a span; our own overhead is bounded with it. */
export const MAX_MESSAGE_SPANS = 32;

type Api = typeof Otel;
let otel: { api: Api; tracer: Otel.Tracer } | null = null;

/** Switches spans on (with the API and a tracer) or off (null). */
export function useTracer(api: Api | null, tracer?: Otel.Tracer): void {
  otel = api === null || tracer === undefined ? null : { api, tracer };
}

export const tracing = (): boolean => otel !== null;

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** A sampled parent's context, or null. */
export function parentOf(traceparent: string | undefined): Otel.SpanContext | null {
  const match = TRACEPARENT.exec(traceparent ?? '');
  if (match === null) return null;
  const flags = Number.parseInt(match[3] as string, 16);
  if ((flags & 1) === 0) return null;
  return { traceId: match[1] as string, spanId: match[2] as string, traceFlags: 1, isRemote: true };
}

export function recordBatch(batch: BatchSpan): void {
  if (otel === null) return;
  const { api, tracer } = otel;
  const parents = batch.traceparents
    .slice(0, MAX_MESSAGE_SPANS)
    .map(parentOf)
    .filter((parent) => parent !== null);
  const { name, kind, attributes } = describe(api, batch);
  const write = (context: Otel.Context, links: Otel.Link[], count: Otel.Attributes): void => {
    const span = tracer.startSpan(
      name,
      { kind, startTime: batch.startMs, links, attributes: { ...attributes, ...count } },
      context,
    );
    if (batch.errorCode !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR });
    span.end(batch.endMs);
  };
  const sizeName = batch.operation === 'insert' ? 'db.operation.batch.size' : 'messaging.batch.message_count';
  write(
    api.ROOT_CONTEXT,
    parents.map((context) => ({ context })),
    { [sizeName]: batch.count },
  );
  for (const parent of parents) write(api.trace.setSpanContext(api.ROOT_CONTEXT, parent), [], {});
}

function describe(
  api: Api,
  batch: BatchSpan,
): { name: string; kind: Otel.SpanKind; attributes: Otel.Attributes } {
  const failure: Otel.Attributes = batch.errorCode === undefined ? {} : { 'error.type': batch.errorCode };
  if (batch.operation === 'insert') {
    return {
      name: `INSERT ${batch.destination}`,
      kind: api.SpanKind.CLIENT,
      attributes: {
        'db.system.name': 'clickhouse',
        'db.operation.name': 'INSERT',
        'db.collection.name': batch.destination,
        ...failure,
      },
    };
  }
  return {
    name: `${batch.operation} ${batch.destination}`,
    kind: batch.operation === 'publish' ? api.SpanKind.PRODUCER : api.SpanKind.CONSUMER,
    attributes: {
      'messaging.system': 'kafka',
      'messaging.operation.name': batch.operation,
      'messaging.operation.type': batch.operation === 'publish' ? 'send' : 'process',
      'messaging.destination.name': batch.destination,
      ...(batch.partition !== undefined && {
        'messaging.destination.partition.id': String(batch.partition),
      }),
      ...failure,
    },
  };
}

/** The metered call itself, as OpenTelemetry's MCP conventions name it (`{method} {target}`). */
export function recordCall(call: CallSpan): void {
  if (otel === null) return;
  const { api, tracer } = otel;
  const parent = parentOf(call.traceparent);
  if (parent === null) return;
  const failed = call.outcome !== 'ok' && call.outcome !== 'interim';
  const span = tracer.startSpan(
    call.tool === '' ? call.method : `${call.method} ${call.tool}`,
    {
      kind: api.SpanKind.SERVER,
      startTime: call.startMs,
      attributes: {
        'mcp.method.name': call.method,
        'toolmeter.outcome': call.outcome,
        'toolmeter.server.name': call.server,
        ...(call.tool !== '' && { 'gen_ai.tool.name': call.tool }),
        ...(call.sessionId !== '' && { 'mcp.session.id': call.sessionId }),
        ...(failed && { 'error.type': call.outcome }),
      },
    },
    api.trace.setSpanContext(api.ROOT_CONTEXT, parent),
  );
  if (failed) span.setStatus({ code: api.SpanStatusCode.ERROR });
  span.end(call.startMs + call.durationUs / 1000);
}

/** A request to our own API, as OpenTelemetry's HTTP conventions name it. */
export function recordRequest(request: RequestSpan): void {
  if (otel === null) return;
  const { api, tracer } = otel;
  const parent = parentOf(request.traceparent);
  const span = tracer.startSpan(
    `${request.method} ${request.route}`,
    {
      kind: api.SpanKind.SERVER,
      startTime: request.startMs,
      attributes: {
        'http.request.method': request.method,
        'http.route': request.route,
        'http.response.status_code': request.status,
        ...(request.status >= 500 && { 'error.type': String(request.status) }),
      },
    },
    parent === null ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, parent),
  );
  if (request.status >= 500) span.setStatus({ code: api.SpanStatusCode.ERROR });
  span.end(request.endMs);
}
