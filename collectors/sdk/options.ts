import { VERSION } from '../../core/version.ts';
import type { Vantage } from '../../schemas/call-event.ts';
import type { CaptureOptions } from '../capture.ts';
import { type Implementation, implementationOf } from '../rpc/message.ts';
import { RpcTracker, type TrackerOptions, type TransportKind } from '../rpc/tracker.ts';
import { osUserCaller, transportCaller, transportKind } from './context.ts';
import { sharedCallKey, sharedCapture, sharedOutbox, wrapNonce } from './runtime.ts';
import type { TransportLike } from './sdk-types.ts';
import type { MeterOptions } from './types.ts';

/** What a record needs to know of its connection, as far as it is known when the connection is tapped. */
export function trackerFor(
  vantage: Vantage,
  kind: TransportKind,
  options: MeterOptions,
  declared: Implementation | undefined,
): RpcTracker {
  const nonce = vantage === 'server' && kind === 'stdio' ? wrapNonce() : undefined;
  const server = typeof options.server === 'string' ? { name: options.server } : options.server;
  const caller = options.caller ?? (vantage === 'client' ? osUserCaller() : transportCaller(kind));
  const settings: TrackerOptions = {
    outbox: options.outbox ?? sharedOutbox(options.log),
    // Keys are read from disk with the first record and not before: metering a server must cost microseconds.
    get capture(): CaptureOptions {
      return options.capture ?? sharedCapture();
    },
    vantage,
    transport: kind,
    collector: { kind: 'sdk', version: VERSION },
    takeCallId: vantage === 'server',
    ...(server !== undefined && { server }),
    ...(caller !== undefined && { caller }),
    ...(options.tags !== undefined && { tags: options.tags }),
    ...(options.model !== undefined && { model: options.model }),
    ...(nonce !== undefined && { nonce, callKey: sharedCallKey(), nested: true }),
  };
  const tracker = new RpcTracker(settings);
  if (server === undefined) tracker.server = declared;
  return tracker;
}

/** The same, of a transport. */
export function trackerOf(
  vantage: Vantage,
  transport: TransportLike,
  options: MeterOptions,
  declared?: Implementation,
): RpcTracker {
  return trackerFor(vantage, transportKind(transport), options, declared);
}

/**
 * What a server calls itself. Both SDKs keep it in a field of theirs that is no part of their API: it is only read,
 * and without it the name comes with the answer to `initialize` or `server/discover`.
 */
export function declaredOf(protocol: object): Implementation | undefined {
  return implementationOf((protocol as { _serverInfo?: unknown })._serverInfo);
}
