import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Health } from '../../telemetry/health.ts';
import type { Registry } from '../../telemetry/metrics.ts';
import { PROMETHEUS_CONTENT_TYPE, prometheusText } from '../../telemetry/prometheus.ts';
import type { Authenticator } from '../auth/authenticate.ts';

const part = { name: z.string(), ok: z.boolean() };

/** The answer of `/healthz`. */
export const HealthzSchema = z.strictObject({
  status: z.enum(['ok', 'failed']),
  parts: z.array(z.strictObject(part)),
});

/** The answer of `/readyz`. */
export const ReadyzSchema = z.strictObject({
  status: z.enum(['ready', 'not_ready']),
  not_ready: z.array(z.string()),
  /** `detail` only for whoever may read the metrics. */
  parts: z.array(z.strictObject({ ...part, detail: z.string().optional() })),
});

export interface MetaDeps {
  readonly health: Health;
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  /** The OpenAPI document, as it is sent. */
  readonly openapi: string;
}

/**
 * `/healthz` and `/readyz` answer anyone (probes have no keys); what is wrong in detail only whoever may read the
 * metrics. `/metrics` takes a key with `metrics.read`, or loopback in embedded mode.
 */
export function addMetaRoutes(app: FastifyInstance, deps: MetaDeps): void {
  const { health, registry, authenticator } = deps;

  app.get('/healthz', async (_request, reply) => {
    const { ok, parts } = health.liveness();
    return reply.code(ok ? 200 : 503).send({
      status: ok ? 'ok' : 'failed',
      parts: parts.map(({ name }) => ({ name, ok: false })),
    } satisfies z.infer<typeof HealthzSchema>);
  });

  app.get('/readyz', async (request, reply) => {
    const { ok, parts } = await health.readiness();
    const inDetail = authenticator.may(request, 'metrics.read');
    if (!ok) reply.header('retry-after', '5');
    return reply.code(ok ? 200 : 503).send({
      status: ok ? 'ready' : 'not_ready',
      not_ready: parts.filter((part) => !part.ok).map((part) => part.name),
      parts: inDetail ? [...parts] : parts.map(({ name, ok }) => ({ name, ok })),
    } satisfies z.infer<typeof ReadyzSchema>);
  });

  app.get(
    '/metrics',
    {
      preHandler: async (request) => {
        authenticator.permit(request, 'metrics.read');
      },
    },
    async (_request, reply) => {
      // Checks tell their gauges, and threads hand over their numbers.
      await health.readiness();
      return reply.type(PROMETHEUS_CONTENT_TYPE).send(prometheusText(registry.snapshot()));
    },
  );

  app.get('/openapi.json', async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(deps.openapi),
  );
}
