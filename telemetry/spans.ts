import type * as Otel from '@opentelemetry/api';
import { isSampled } from '../core/traceparent.ts';

/**
 * Spans of our own path: a call, its publishing, its processing and its insert are children of one parent, the
 * `traceparent` that the record carries from the collector to the store, so the four share the caller's trace.
 *
 * Work is done in batches, and one batch has many parents. As OpenTelemetry's messaging conventions say, a batch has a
 * span in a trace of its own, *linked* to each message; beside it each sampled message gets a span in its own trace,
 * with the batch's times; of a trace that is not sampled nothing is written. All are written after the fact: no context is carried through the code, and nothing is done
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
let otel: { api: Api; tracer: Otel.Tracer; messagingSystem: string } | null = null;

/** Switches spans on, or off (null). `messagingSystem`: what the log is. */
export function useTracer(to: { api: Api; tracer: Otel.Tracer; messagingSystem: string } | null): void {
  otel = to;
}

export const tracing = (): boolean => otel !== null;

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$/;

/** The context of a parent that is sampled; `unsampled`; or null where there is none, or no valid one. */
function contextOf(traceparent: string | undefined): Otel.SpanContext | 'unsampled' | null {
  const match = TRACEPARENT.exec(traceparent ?? '');
  if (match === null) return null;
  if (!isSampled(match[0])) return 'unsampled';
  return { traceId: match[1] as string, spanId: match[2] as string, traceFlags: 1, isRemote: true };
}

/** A sampled parent's context, or null. */
function parentOf(traceparent: string): Otel.SpanContext | null {
  const context = contextOf(traceparent);
  return context === 'unsampled' ? null : context;
}

export function recordBatch(batch: BatchSpan): void {
  if (otel === null) return;
  const { api, tracer, messagingSystem } = otel;
  const parents: Otel.SpanContext[] = [];
  for (const traceparent of batch.traceparents) {
    const parent = parentOf(traceparent);
    if (parent !== null && parents.push(parent) === MAX_MESSAGE_SPANS) break;
  }
  const { name, kind, attributes } = describe(api, messagingSystem, batch);
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
  messagingSystem: string,
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
      'messaging.system': messagingSystem,
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

/**
 * A request to our own API, as OpenTelemetry's HTTP conventions name it: a child of its caller's span where that is
 * sampled, nothing where it is not, else the root of a trace.
 */
export function recordRequest(request: RequestSpan): void {
  if (otel === null) return;
  const { api, tracer } = otel;
  const parent = contextOf(request.traceparent);
  if (parent === 'unsampled') return;
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
