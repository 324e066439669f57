import type { Log } from '../../core/log.ts';
import type { TrackedCall } from '../rpc/call.ts';
import { asObject, CALL_META_KEY, type JsonObject } from '../rpc/message.ts';
import type { Ending, RpcTracker, TransportKind } from '../rpc/tracker.ts';
import { ExtraContext } from './context.ts';
import { failed } from './failures.ts';
import { followPeer, peerAddress } from './peer.ts';
import { callScope } from './scope.ts';
import type { OnMessage, TransportLike } from './sdk-types.ts';

const TAPPED = Symbol.for('io.toolmeter/tapped');

/**
 * Taps a transport in place: what it is handed and what it hands on pass through the tracker, and the transport
 * stays the object that it was. `onmessage` and `onclose` become accessors of the instance, since an SDK sets them
 * late, sets them again, and chains what it finds there; `send` is replaced. A second tap has no effect.
 * @returns whether this is the first tap.
 */
export function tapTransport(
  transport: TransportLike,
  side: 'server' | 'client',
  tracker: () => RpcTracker,
  log: Log | undefined,
): boolean {
  if (TAPPED in transport) return false;
  Object.defineProperty(transport, TAPPED, { value: true });
  const tap = new Tap(transport, side, tracker(), log);
  interpose(transport, 'onmessage', (handler) => tap.deliver(handler as OnMessage));
  interpose(transport, 'onclose', (handler) => tap.closing(handler as () => void));
  if (side === 'server') followPeer(transport);
  const send = transport.send;
  transport.send = side === 'server' ? tap.sendAnswer(send) : tap.sendRequest(send);
  return true;
}

/**
 * Makes a handler property of an instance one whose handlers are wrapped on the way in. The class may have the
 * property as a field or as an accessor (v2's Node transport passes it on to an inner one).
 */
function interpose(target: object, name: string, wrap: (handler: unknown) => unknown): void {
  const before = (target as Record<string, unknown>)[name];
  const base = accessorOf(target, name);
  let held: unknown;
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: true,
    get: () => held,
    set: (handler: unknown) => {
      held = typeof handler === 'function' ? wrap(handler) : handler;
      base?.set?.call(target, held);
    },
  });
  if (before !== undefined) (target as Record<string, unknown>)[name] = before;
}

function accessorOf(target: object, name: string): PropertyDescriptor | undefined {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at)) {
    const property = Object.getOwnPropertyDescriptor(at, name);
    if (property !== undefined) return property.set === undefined ? undefined : property;
  }
  return undefined;
}

class Tap {
  readonly #transport: TransportLike;
  readonly #side: 'server' | 'client';
  readonly #tracker: RpcTracker;
  readonly #log: Log | undefined;
  readonly #kind: TransportKind;
  /** The message that is being handed on: an SDK that chains an earlier handler brings it here twice. */
  #delivering: unknown;

  constructor(
    transport: TransportLike,
    side: 'server' | 'client',
    tracker: RpcTracker,
    log: Log | undefined,
  ) {
    this.#transport = transport;
    this.#side = side;
    this.#tracker = tracker;
    this.#log = log;
    this.#kind = tracker.options.transport;
  }

  deliver(handler: OnMessage): OnMessage {
    const tap = this;
    const scope = callScope();
    return function (this: unknown, message: unknown, extra?: unknown): unknown {
      if (tap.#delivering === message) return handler.call(this, message, extra);
      tap.#delivering = message;
      try {
        const call = tap.#arrived(message, extra);
        if (call === undefined) return handler.call(this, message, extra);
        return scope.run(call, invoke, handler, this, message, extra);
      } finally {
        tap.#delivering = undefined;
      }
    };
  }

  closing(handler: () => void): () => void {
    const tap = this;
    return function (this: unknown): void {
      try {
        tap.#tracker.close();
      } catch (error) {
        failed('end the calls of a closed connection', error, tap.#log);
      }
      handler.call(this);
    };
  }

  /** Server side: answers go out. */
  sendAnswer(send: TransportLike['send']): TransportLike['send'] {
    const tap = this;
    return function (this: TransportLike, message: unknown, ...rest: [unknown?]): Promise<void> {
      try {
        tap.#tracker.fromServer(message);
      } catch (error) {
        failed('follow an answer', error, tap.#log);
      }
      return send.call(this ?? tap.#transport, message, ...rest);
    };
  }

  /** Client side: requests go out, and our call id with them. */
  sendRequest(send: TransportLike['send']): TransportLike['send'] {
    const tap = this;
    return function (this: TransportLike, message: unknown, ...rest: [unknown?]): Promise<void> {
      let outgoing = message;
      let call: ReturnType<RpcTracker['fromClient']>;
      try {
        const context = new ExtraContext(undefined, tap.#transport.sessionId, callScope().getStore()?.callId);
        call = tap.#tracker.fromClient(message, undefined, context);
        if (call !== undefined) {
          if (call.method !== 'initialize') outgoing = withCallId(message as JsonObject, call.callId);
          const signal = asObject(rest[0])?.requestSignal;
          if (signal instanceof AbortSignal) {
            const open = call;
            signal.addEventListener('abort', () => tap.#tracker.finish(open, aborted(signal.reason)), {
              once: true,
            });
          }
        }
      } catch (error) {
        failed('follow a request', error, tap.#log);
      }
      const sent = send.call(this ?? tap.#transport, outgoing, ...rest);
      if (call !== undefined) {
        const open = call;
        Promise.resolve(sent).catch((error: unknown) => tap.#tracker.finish(open, refused(error)));
      }
      return sent;
    };
  }

  #arrived(message: unknown, extra: unknown): ReturnType<RpcTracker['fromClient']> {
    try {
      if (this.#side === 'client') {
        this.#tracker.fromServer(message);
        return undefined;
      }
      if (this.#kind === 'http') return this.#arrivedOverHttp(message, extra);
      if (this.#kind === 'stdio' && seen.has(message as object)) return seen.get(message as object);
      const call = this.#tracker.fromClient(
        message,
        undefined,
        new ExtraContext(extra, this.#transport.sessionId),
      );
      if (this.#kind === 'stdio') seen.set(message as object, call);
      return call;
    } catch (error) {
      failed('follow a message', error, this.#log);
      return undefined;
    }
  }

  #arrivedOverHttp(message: unknown, extra: unknown): TrackedCall | undefined {
    const exchange = callScope().getStore();
    const followed = exchange?.take !== undefined;
    if (followed && exchange.take?.() === false) return undefined;
    const context = new ExtraContext(extra, this.#transport.sessionId, undefined, peerAddress());
    const call = this.#tracker.fromClient(message, undefined, context);
    if (followed && call !== undefined) call.carriedId ??= exchange.taken;
    return call;
  }
}

/**
 * Messages over stdio that a tap has, and their calls. v2's `serveStdio` hands what the wire's transport delivers on to
 * a channel of its own: where both are tapped, the wire's record is the one. Over stdio only, for what it costs.
 */
const seen = new WeakMap<object, TrackedCall | undefined>();

/** Without a closure a message. */
function invoke(handler: OnMessage, self: unknown, message: unknown, extra: unknown): unknown {
  return handler.call(self, message, extra);
}

/** The message with a call id in its `_meta`; the caller's own object stays as it is. */
function withCallId(message: JsonObject, callId: string): JsonObject {
  const params = asObject(message.params);
  if (message.params !== undefined && params === undefined) return message;
  return {
    ...message,
    params: { ...params, _meta: { ...asObject(params?._meta), [CALL_META_KEY]: callId } },
  };
}

/** A request that the client gave up by closing its stream (2026-07-28). */
function aborted(reason: unknown): Ending {
  const text = reason instanceof Error ? reason.message : typeof reason === 'string' ? reason : undefined;
  const timedOut = text !== undefined && /time(?:d )?out/i.test(text);
  return { outcome: timedOut ? 'timeout' : 'cancelled', ...(text !== undefined && { text }) };
}

/** A request that never got onto the wire, or that HTTP refused. */
function refused(error: unknown): Ending {
  const status = httpStatus(error);
  const text = error instanceof Error ? error.message : String(error);
  const outcome =
    status === 401 || status === 403 ? 'denied' : status === 429 ? 'rate_limited' : 'upstream_error';
  return { outcome, ...(status !== undefined && { code: `http_${status}` }), text };
}

/** v1's transport errors carry the status as `code`, v2's as `data.status`. */
function httpStatus(error: unknown): number | undefined {
  const fields = asObject(error);
  const status = [asObject(fields?.data)?.status, fields?.status, fields?.code].find(
    (value) => typeof value === 'number' && value >= 100 && value <= 599,
  );
  return status as number | undefined;
}
