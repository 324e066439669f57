import type { AddressInfo } from 'node:net';
import { buildApp } from '../../api/app.ts';
import { openOwnCollectors } from '../../api/auth/collectors.ts';
import { openApiKeys } from '../../api/auth/keys.ts';
import { CallsTail } from '../../api/live/tail.ts';
import { openQueries } from '../../api/queries.ts';
import { type IngestSink, logSink } from '../../collectors/ingest/index.ts';
import { openOutbox } from '../../collectors/spool/index.ts';
import { systemClock } from '../../core/clock.ts';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { EventLog } from '../../eventlog/port.ts';
import type { Store } from '../../store/client.ts';
import { Health } from '../../telemetry/health.ts';
import { registry } from '../../telemetry/metrics.ts';
import { watchProcess } from '../../telemetry/process-metrics.ts';
import { watchOutbox } from '../../telemetry/watch.ts';
import { embedded } from '../settings.ts';
import { ensureTopics, openLog } from './log.ts';
import type { Role, RoleContext } from './role.ts';
import { openConfiguredStore } from './store.ts';

export interface HttpRole extends Role {
  readonly url: string;
}

/** Unsent events that the ingest's spool may hold while the brokers are away. */
const INGEST_SPOOL_BYTES = 4 * 1024 * 1024 * 1024;

/** API and ingest. `beside`: roles of the same process, whose readiness is ours. */
export async function startHttp(
  { settings, home, log }: RoleContext,
  { beside }: { readonly beside: ReadonlyMap<string, Role> },
): Promise<HttpRole> {
  const { config } = settings;
  const own = embedded(config);
  const open = (): Promise<Store> => openConfiguredStore(settings, home, log);
  // A server may be away: it is opened by the first question, and events are taken meanwhile.
  const store = own.store ? await open() : null;
  const eventLog = await openLog(settings, home, log);
  // Embedded it is done at once; brokers may be away, and events are taken meanwhile.
  const stopping = new AbortController();
  const topics = ensureTopics(eventLog, settings, log, stopping.signal);
  if (eventLog.kind === 'embedded') await topics;
  else topics.catch((error: unknown) => log.error({}, `the topics can't be made: ${messageOf(error)}`));
  const queries = openQueries(store ?? open);
  const { sink, close: closeSink } = ingestSink(eventLog, { settings, home, log });
  const health = new Health();
  for (const [name, role] of beside) health.add(`thread ${name}`, () => role.status());
  health.add('log', () => probe('log', () => eventLog.ping()));
  health.add('store', () => probe('store', async () => void (await queries.completeness({ limit: 1 }))));
  const unwatch = watchProcess(registry);
  const app = await buildApp({
    queries,
    sink,
    tail: new CallsTail(eventLog, log),
    keys: openApiKeys(home.path, systemClock, log),
    collectors: openOwnCollectors(home, systemClock, log),
    health,
    registry,
    config: {
      embedded: own.log && own.store,
      host: config.api.host,
      maxBodyBytes: config.api.max_body_bytes,
      allowedHosts: config.api.allowed_hosts,
      allowedOrigins: config.api.allowed_origins,
    },
    log,
    clock: systemClock,
  });
  const stop = async (): Promise<void> => {
    stopping.abort();
    await app.close();
    await closeSink();
    await queries.close();
    await store?.close();
    await eventLog.close();
    unwatch();
  };
  try {
    await app.listen({ host: config.api.host, port: config.api.port });
  } catch (error) {
    await stop();
    throw new ToolmeterError(
      'TM_LISTEN',
      `Can't listen on ${config.api.host}:${config.api.port}: ${messageOf(error)}.`,
      'End what uses the port, or set api.port (0: any that is free).',
    );
  }
  const { port } = app.server.address() as AddressInfo;
  const host = config.api.host.includes(':') ? `[${config.api.host}]` : config.api.host;
  return { url: `http://${host}:${port}`, status: async () => [...(await health.readiness()).parts], stop };
}

/**
 * Embedded, what the log has taken is on disk. On Kafka a spool stands before it, so that an answer never waits for
 * brokers that are away.
 */
function ingestSink(
  eventLog: EventLog,
  { home, log }: RoleContext,
): { sink: IngestSink; close(): Promise<void> } {
  const append = logSink(eventLog);
  if (eventLog.kind === 'embedded') return { sink: append, close: async () => {} };
  const outbox = openOutbox({
    home,
    destination: {
      kind: 'log',
      id: 'ingest',
      append: (records) => eventLog.append(records),
      schedule: () => eventLog.schedule(),
    },
    durability: 'full',
    maxBytes: INGEST_SPOOL_BYTES,
    log,
  });
  const unwatch = watchOutbox(registry, 'ingest', () => outbox.stats());
  return {
    sink: async (records) => {
      await outbox.forward(records);
      return records.map(() => ({ ok: true }));
    },
    close: async () => {
      await outbox.close();
      unwatch();
    },
  };
}

async function probe(
  name: string,
  ask: () => Promise<void>,
): Promise<{ name: string; ok: boolean; detail: string }> {
  try {
    await ask();
    return { name, ok: true, detail: 'answers' };
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  }
}
