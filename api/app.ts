import fastify, { type FastifyInstance } from 'fastify';
import type { IngestSink } from '../collectors/ingest/index.ts';
import type { Clock } from '../core/clock.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { Health } from '../telemetry/health.ts';
import type { Registry } from '../telemetry/metrics.ts';
import { authenticator } from './auth/authenticate.ts';
import type { Collectors } from './auth/collectors.ts';
import type { ApiKeys } from './auth/keys.ts';
import { errorAnswers } from './error-answers.ts';
import { type GuardConfig, guard, SECURITY_HEADERS } from './guard.ts';
import type { CallsTail } from './live/tail.ts';
import { observeRequests } from './observe.ts';
import { openApi } from './openapi.ts';
import type { StoreQueries } from './queries.ts';
import { addReadRoute, type ReadRoute } from './route.ts';
import { callRoute, callsRoute } from './routes/calls.ts';
import { completenessRoute } from './routes/completeness.ts';
import { deadLettersRoute } from './routes/dead-letters.ts';
import { addEventsRoute } from './routes/events.ts';
import { inventoryRoutes } from './routes/inventory.ts';
import { latencyRoute } from './routes/latency.ts';
import { addMetaRoutes } from './routes/meta.ts';
import { spendRoute } from './routes/spend.ts';
import { addStreamRoute } from './routes/stream.ts';

export interface ApiConfig extends GuardConfig {
  /** Whether log and store are embedded: only then may a user on loopback read without a key. */
  readonly embedded: boolean;
  readonly maxBodyBytes: number;
}

export interface ApiDeps {
  readonly queries: StoreQueries;
  readonly sink: IngestSink;
  /** Closed with the app. */
  readonly tail: CallsTail;
  readonly keys: ApiKeys;
  readonly collectors: Collectors;
  readonly health: Health;
  readonly registry: Registry;
  readonly config: ApiConfig;
  readonly log: Log;
  readonly clock: Clock;
}

/** Longest that a request may take to arrive, milliseconds. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than the idle timeouts of common load balancers (60 s), so that theirs ends a connection first. */
const KEEP_ALIVE_MS = 65_000;
/** Bodies in hand at a time, in largest bodies. */
const BODIES_IN_FLIGHT = 8;

/** The routes that answer questions, in the order of the documentation. */
export const readRoutes = (deps: Pick<ApiDeps, 'queries' | 'clock'>): readonly ReadRoute[] => [
  spendRoute(deps),
  callsRoute(deps),
  callRoute(deps),
  latencyRoute(deps),
  ...inventoryRoutes(deps),
  completenessRoute(deps),
  deadLettersRoute(deps),
];

/** The HTTP server of Toolmeter: query API, ingest, health and metrics. Not yet listening; whoever gets it closes it. */
export async function buildApp(deps: ApiDeps): Promise<FastifyInstance> {
  const { config } = deps;
  const errors = errorAnswers(deps.log, deps.registry, { maxBodyBytes: config.maxBodyBytes });
  const app = fastify({
    bodyLimit: config.maxBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    genReqId: () => uuidv7(),
    requestIdHeader: false,
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: errors.framework,
    clientErrorHandler: errors.client,
  });
  const check = guard(config);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS).header('x-request-id', request.id);
    check(request, reply);
  });
  observeRequests(app, deps.registry, deps.log);
  errors.install(app);

  const auth = authenticator(deps.keys, deps.collectors, config.embedded);
  const routes = readRoutes(deps);
  for (const route of routes) addReadRoute(app, route, auth);
  addEventsRoute(app, {
    sink: deps.sink,
    authenticator: auth,
    registry: deps.registry,
    maxBodyBytes: config.maxBodyBytes,
    maxInFlightBytes: config.maxBodyBytes * BODIES_IN_FLIGHT,
  });
  addStreamRoute(app, { tail: deps.tail, authenticator: auth });
  addMetaRoutes(app, {
    health: deps.health,
    registry: deps.registry,
    authenticator: auth,
    openapi: JSON.stringify(openApi(routes)),
  });
  if (!config.embedded && deps.keys.list().length === 0)
    deps.log.warn(
      { code: 'TM_NO_API_KEYS' },
      'There is no API key, so nobody can read: see `toolmeter keys create`',
    );
  await app.ready();
  return app;
}
