import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiConfig, type ApiDeps, buildApp } from '../../api/app.ts';
import { openOwnCollectors } from '../../api/auth/collectors.ts';
import { openApiKeys } from '../../api/auth/keys.ts';
import { CallsTail } from '../../api/live/tail.ts';
import { openQueries } from '../../api/queries.ts';
import { logSink } from '../../collectors/ingest/index.ts';
import { openHome } from '../../core/home.ts';
import { silentLog } from '../../core/log.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { Health } from '../../telemetry/health.ts';
import { Registry } from '../../telemetry/metrics.ts';
import { TestClock, testLog } from '../support/calls-topic.ts';
import { embeddedStore } from '../support/clickhouse.ts';

export const NOW = '2026-03-20T00:00:00.000Z';
export const MAX_BODY_BYTES = 2 * 1024 * 1024;

/** The embedded store, log and home of a test file; servers over them are made with `start`. */
export async function testBackends() {
  const store = await embeddedStore();
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-api-'));
  const home = openHome(join(folder, 'home'), {});
  const log = await testLog(folder, 3);
  const queries = openQueries(store.store);
  const keys = openApiKeys(home.path);
  const collectors = openOwnCollectors(home);
  const closing: (() => Promise<unknown>)[] = [];

  /** A server on a port of its own. */
  const start = async (change: Partial<Omit<ApiDeps, 'config'>> & { config?: Partial<ApiConfig> } = {}) => {
    const health = new Health();
    const registry = new Registry();
    const { config, ...deps } = change;
    const app = await buildApp({
      queries,
      sink: logSink(log),
      tail: new CallsTail(log, silentLog),
      keys,
      collectors,
      health,
      registry,
      log: silentLog,
      clock: new TestClock(NOW),
      ...deps,
      config: {
        host: '127.0.0.1',
        embedded: true,
        allowedHosts: [],
        allowedOrigins: [],
        maxBodyBytes: MAX_BODY_BYTES,
        ...config,
      },
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    closing.push(() => app.close());
    const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${url}${path}`, { headers });
    const post = (
      body: string | Uint8Array<ArrayBuffer>,
      contentType: string,
      headers: Record<string, string> = {},
    ): Promise<Response> =>
      fetch(`${url}/v1/events`, {
        method: 'POST',
        body,
        headers: {
          authorization: `Bearer ${home.collectorToken}`,
          'content-type': contentType,
          ...headers,
        },
      });
    return { app, url, port, get, post, health, registry };
  };

  return {
    store,
    home,
    log,
    keys,
    collectors,
    start,
    /** Everything in the raw topic, in the order of partitions. */
    raw: async () => {
      const records = [];
      for (let partition = 0; partition < 3; partition++)
        for await (const record of log.scan(TOPICS.raw, partition)) records.push({ partition, ...record });
      return records;
    },
    close: async () => {
      for (const close of closing.reverse()) await close();
      await queries.close();
      await log.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
export type TestServer = Awaited<ReturnType<Awaited<ReturnType<typeof testBackends>>['start']>>;
