import type { IncomingMessage, ServerResponse } from 'node:http';
import { newSpanId, newTraceId } from '../../core/ids.ts';
import { CALL_HEADER } from '../rpc/message.ts';
import type { MessageContext } from '../rpc/tracker.ts';
import type { KnownCaller } from './callers.ts';
import { endToEnd } from './headers.ts';
import type { Route } from './route.ts';
import type { Upstream } from './upstream.ts';

/** A request with what is known of it before its body is looked at. */
export interface Inbound {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Undefined: the target is none of ours. */
  readonly route: Route | undefined;
  /** When it reached us, on the clock of `performance.now()`. */
  readonly arrivedMs: number;
  readonly ip: string | undefined;
  /** Whether the connection is a trusted proxy's, whose forwarding headers go on. */
  readonly isProxied: boolean;
  readonly traceparent: string;
}

/** A request that may be served as far as its caller goes. */
export interface Admitted extends Inbound {
  readonly upstream: Upstream;
  /** Undefined: anonymous. */
  readonly caller: KnownCaller | undefined;
  /** Whether the Authorization header is ours, and goes no further. */
  readonly ownsAuthorization: boolean;
}

/** By this header a caller shows its key where Authorization is the upstream's; there `Bearer tmg_…` does it. */
export const KEY_HEADER = 'toolmeter-key';

export const ANONYMOUS = 'anonymous';

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The caller's trace context where it has one; else a new one, so that gateway and upstream share it. */
export function traceparentOf(header: string | undefined): string {
  return header !== undefined && TRACEPARENT.test(header) ? header : `00-${newTraceId()}-${newSpanId()}-01`;
}

export function textHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : value?.join(', ');
}

/** What the record of each message of a request holds beside the message. */
export function contextOf(
  inbound: Inbound,
  caller: KnownCaller | undefined,
  isBatch = false,
): MessageContext {
  const { request, arrivedMs, ip, traceparent } = inbound;
  return {
    arrivedMs,
    sessionId: textHeader(request, 'mcp-session-id'),
    caller: caller === undefined ? undefined : { id: caller.name, source: 'api_key', verified: true },
    ip,
    header: (name) => {
      if (name === 'traceparent') return traceparent;
      // One id cannot be that of several calls.
      return isBatch && name === CALL_HEADER ? undefined : textHeader(request, name);
    },
  };
}

const OURS = [
  KEY_HEADER,
  CALL_HEADER,
  'host',
  'content-length',
  'expect',
  'forwarded',
  'traceparent',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
];

/** Headers for the upstream: the client's, but those of the connection and ours; and who it is that asks. */
export function upstreamHeaders(admitted: Admitted, callId: string | undefined): string[] {
  const { request, upstream, ip, isProxied, traceparent } = admitted;
  const without = new Set([...OURS, ...upstream.headerNames]);
  if (admitted.ownsAuthorization) without.add('authorization');
  const out = endToEnd(request.rawHeaders, without);
  const via = textHeader(request, 'via');
  out.push('via', `${via === undefined ? '' : `${via}, `}${request.httpVersion} toolmeter`);
  const before = isProxied ? textHeader(request, 'x-forwarded-for') : undefined;
  const peer = isProxied ? request.socket.remoteAddress : ip;
  if (peer !== undefined) out.push('x-forwarded-for', before === undefined ? peer : `${before}, ${peer}`);
  const host = (isProxied ? textHeader(request, 'x-forwarded-host') : undefined) ?? request.headers.host;
  if (host !== undefined) out.push('x-forwarded-host', host);
  out.push('x-forwarded-proto', (isProxied ? textHeader(request, 'x-forwarded-proto') : undefined) ?? 'http');
  out.push('traceparent', traceparent);
  if (callId !== undefined) out.push(CALL_HEADER, callId);
  out.push(...upstream.headers);
  return out;
}
