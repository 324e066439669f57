import { isDisabled } from '../../core/home.ts';
import { failed, failureCount } from './failures.ts';
import { meterHandler } from './handler.ts';
import { declaredOf, trackerOf } from './options.ts';
import { closeShared, sharedOutbox } from './runtime.ts';
import {
  isFetchHandler,
  isTransport,
  type ProtocolLike,
  protocolOf,
  type TransportLike,
} from './sdk-types.ts';
import { tapTransport } from './tap.ts';
import type { MeterOptions, MeterStats } from './types.ts';

export type { Caller } from '../rpc/caller.ts';
export type { Implementation } from '../rpc/message.ts';
export { tag } from './scope.ts';
export type { MeterOptions, MeterStats } from './types.ts';

const METERED = Symbol.for('io.toolmeter/metered');

/**
 * Meters an MCP server: every request that reaches it, and how it ended, becomes one record in the outbox. Takes a
 * server of either SDK (`McpServer`, `Server`; before or after `connect`), a factory of servers (as
 * `createMcpHandler` and `serveStdio` take one), or the handler that `createMcpHandler` makes.
 *
 * Returns its argument, or, of a factory, a factory. Metering twice has no effect, nor has anything while
 * `TOOLMETER_DISABLED=1`. Never throws, never makes a call wait, changes no result.
 */
export function meter<T>(target: T, options: MeterOptions = {}): T {
  if (isDisabled()) return target;
  try {
    if (typeof target === 'function') return meterFactory(target as never, options) as T;
    const protocol = protocolOf(target);
    if (protocol !== undefined) meterProtocol(protocol, 'server', options);
    else if (isFetchHandler(target)) meterHandler(target, options);
    else if (isTransport(target)) meterTransport(target, options);
    else failed('meter this', new TypeError('it is no server, factory, handler or transport'), options.log);
  } catch (error) {
    failed('meter a server', error, options.log);
  }
  return target;
}

/**
 * Meters an MCP client: its requests as the client saw them, and, in each request's `_meta`, a call id by which the
 * server's own record is linked to it. Returns the client.
 */
export function meterClient<T extends object>(client: T, options: MeterOptions = {}): T {
  if (isDisabled()) return client;
  try {
    const protocol = protocolOf(client);
    if (protocol === undefined) failed('meter this', new TypeError('it is no client'), options.log);
    else meterProtocol(protocol, 'client', options);
  } catch (error) {
    failed('meter a client', error, options.log);
  }
  return client;
}

/** Meters what passes a server's transport, for a server that is in no SDK's hands. Before it starts. Returns it. */
export function meterTransport<T extends object>(transport: T, options: MeterOptions = {}): T {
  if (isDisabled()) return transport;
  try {
    if (isTransport(transport))
      tapTransport(transport, 'server', () => trackerOf('server', transport, options), options.log);
    else failed('meter this', new TypeError('it is no transport'), options.log);
  } catch (error) {
    failed('meter a transport', error, options.log);
  }
  return transport;
}

/** How metering is doing in this process: what waits, what was sent, what failed on our side. */
export function meterStats(): MeterStats {
  return { ...sharedOutbox(undefined).stats(), failures: failureCount() };
}

/** Flushes and publishes what is left, for up to `waitMs` (default 2,000): before an orderly exit. */
export async function closeMeter(waitMs?: number): Promise<void> {
  try {
    await closeShared(waitMs);
  } catch (error) {
    failed('close its outbox', error, undefined);
  }
}

function meterProtocol(protocol: ProtocolLike, side: 'server' | 'client', options: MeterOptions): void {
  if (METERED in protocol) return;
  Object.defineProperty(protocol, METERED, { value: true });
  const tap = (transport: TransportLike): void => {
    try {
      const declared = side === 'server' ? declaredOf(protocol) : undefined;
      tapTransport(transport, side, () => trackerOf(side, transport, options, declared), options.log);
    } catch (error) {
      failed('tap a transport', error, options.log);
    }
  };
  if (protocol.transport !== undefined) tap(protocol.transport);
  const connect = protocol.connect;
  protocol.connect = function (
    this: ProtocolLike,
    transport: TransportLike,
    ...rest: unknown[]
  ): Promise<void> {
    tap(transport);
    return connect.call(this ?? protocol, transport, ...rest);
  };
}

function meterFactory<A extends unknown[], R>(
  factory: (...args: A) => R,
  options: MeterOptions,
): (...args: A) => R {
  if (METERED in factory) return factory;
  const metered = function (this: unknown, ...args: A): R {
    const product: unknown = factory.apply(this, args);
    if (product instanceof Promise) return product.then((server) => meterProduct(server, options)) as R;
    return meterProduct(product as R, options);
  };
  Object.defineProperty(metered, METERED, { value: true });
  return metered;
}

function meterProduct<T>(product: T, options: MeterOptions): T {
  return typeof product === 'object' && product !== null ? meter(product, options) : product;
}
