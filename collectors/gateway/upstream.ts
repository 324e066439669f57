import { Pool } from 'undici';
import type { GatewayConfig, GatewayServer } from '../../schemas/gateway.ts';

/** Where a request goes: a pool of connections, and the target on it. */
export interface Target {
  readonly pool: Pool;
  readonly path: string;
}

/** One server that the gateway fronts. */
export interface Upstream {
  readonly name: string;
  readonly isAnonymous: boolean;
  readonly callMs: number;
  /** Headers that each request to it carries, name and value in turn; their names are taken out of what came. */
  readonly headers: readonly string[];
  readonly headerNames: ReadonlySet<string>;
  /** For requests, and for streams that stay open: these must not use up the connections of those. */
  target(query: string, isStream: boolean): Target;
  close(): Promise<void>;
}

export function openUpstream(
  name: string,
  server: GatewayServer,
  config: GatewayConfig,
  headers: Readonly<Record<string, string>>,
): Upstream {
  const url = new URL(server.url);
  const pools = new Map<boolean, Pool>();
  const poolFor = (isStream: boolean): Pool => {
    let pool = pools.get(isStream);
    if (pool === undefined) {
      pool = new Pool(url.origin, {
        connections: isStream ? null : config.max_connections,
        pipelining: 1,
        connect: { timeout: config.timeouts.connect_ms },
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: MAX_HEADER_BYTES,
      });
      pools.set(isStream, pool);
    }
    return pool;
  };
  return {
    name,
    isAnonymous: server.anonymous,
    callMs: server.call_ms ?? config.timeouts.call_ms,
    headers: Object.entries(headers).flat(),
    headerNames: new Set(Object.keys(headers).map((header) => header.toLowerCase())),
    target: (query, isStream) => ({ pool: poolFor(isStream), path: withQuery(url, query) }),
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}

/** As large as Node's own server takes by default, twice. */
const MAX_HEADER_BYTES = 32 * 1024;

function withQuery({ pathname, search }: URL, query: string): string {
  return search === '' || query === '' ? pathname + search + query : `${pathname}${search}&${query.slice(1)}`;
}
