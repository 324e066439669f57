import { AsyncLocalStorage } from 'node:async_hooks';
import { asObject } from '../rpc/message.ts';

const peers = new AsyncLocalStorage<string>();

/** The address at the other end of the HTTP request that is being handled, or undefined where nothing told it. */
export function peerAddress(): string | undefined {
  return peers.getStore();
}

/**
 * Neither SDK tells a server its caller's address. Both hand Node's request to `handleRequest(request, response)` of
 * their HTTP transports: its socket is remembered for as long as the request is handled. Headers that claim an
 * address are not believed.
 */
export function followPeer(transport: object): void {
  const { handleRequest } = transport as { handleRequest?: unknown };
  if (typeof handleRequest !== 'function') return;
  Object.defineProperty(transport, 'handleRequest', {
    configurable: true,
    writable: true,
    value: function (this: unknown, request: unknown, ...rest: unknown[]): unknown {
      const address = asObject(asObject(request)?.socket)?.remoteAddress;
      const handle = (): unknown => Reflect.apply(handleRequest, this, [request, ...rest]);
      return typeof address === 'string' ? peers.run(address, handle) : handle();
    },
  });
}
