import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { VERSION } from '../../core/version.ts';
import type { GatewayConfig } from '../../schemas/gateway.ts';
import type { CaptureOptions } from '../capture.ts';
import { RpcTracker, type TransportKind } from '../rpc/tracker.ts';
import type { Outbox } from '../spool/outbox.ts';
import type { Budget } from './answer-reader.ts';
import type { CallerKeys } from './callers.ts';
import type { Limiter } from './limiter.ts';
import type { Relay } from './relay.ts';
import type { CompiledRule } from './rules.ts';
import type { Sessions } from './sessions.ts';
import type { Upstream } from './upstream.ts';

/** What every request of one gateway shares. */
export interface Parts {
  readonly config: GatewayConfig;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly keys: CallerKeys;
  readonly rules: readonly CompiledRule[];
  readonly limiter: Limiter;
  readonly sessions: Sessions;
  readonly outbox: Outbox;
  readonly capture: CaptureOptions;
  readonly budget: Budget;
  /** Answers on their way. */
  readonly relays: Set<Relay>;
  /** Those of them that stay open until somebody ends them. */
  readonly streams: Set<Relay>;
  /** Calls whose stream broke and may be resumed: how to give each up. */
  readonly parked: Set<() => void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A tracker for one request, or for the session that begins with it. */
export function newTracker(parts: Parts, server: string, transport: TransportKind = 'http'): RpcTracker {
  return new RpcTracker({
    outbox: parts.outbox,
    capture: parts.capture,
    vantage: 'gateway',
    transport,
    collector: { kind: 'gateway', version: VERSION },
    server: { name: server },
  });
}
