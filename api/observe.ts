import type { FastifyInstance } from 'fastify';
import type { Log } from '../core/log.ts';
import type { Registry } from '../telemetry/metrics.ts';
import { recordRequest } from '../telemetry/spans.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);

/** Asked every few seconds, by machines: a span each would be most of all spans. */
const UNTRACED = new Set(['/healthz', '/readyz', '/metrics']);

/** Open for as long as somebody watches: that is no time of an answer. */
const STREAMS = new Set(['/v1/events/stream']);

/** Counts, times and logs each request by its route; never by its address, which may hold names of people. */
export function observeRequests(app: FastifyInstance, registry: Registry, log: Log): void {
  app.addHook('onResponse', async (request, reply) => {
    const method = METHODS.has(request.method) ? request.method : '_OTHER';
    const route = request.routeOptions.url ?? 'unknown';
    const status = reply.statusCode;
    const millis = reply.elapsedTime;
    if (!STREAMS.has(route))
      registry.observe(
        'http.server.request.duration',
        { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status },
        millis / 1000,
      );
    log.debug({ request: request.id, method, route, status, millis: Math.round(millis) }, 'answered');
    if (UNTRACED.has(route) || STREAMS.has(route)) return;
    const { traceparent } = request.headers;
    const endMs = Date.now();
    recordRequest({
      traceparent: typeof traceparent === 'string' ? traceparent : undefined,
      method,
      route,
      status,
      startMs: endMs - millis,
      endMs,
    });
  });
}
