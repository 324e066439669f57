import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Ending } from '../rpc/tracker.ts';
import type { KeyFault, KnownCaller } from './callers.ts';
import { exchange } from './exchange.ts';
import { openClientAddress, openGuard } from './guard.ts';
import {
  type Admitted,
  ANONYMOUS,
  contextOf,
  type Inbound,
  KEY_HEADER,
  textHeader,
  traceparentOf,
} from './inbound.ts';
import { newTracker, type Parts } from './parts.ts';
import { Recorder, recordOther } from './recorder.ts';
import { type Refusal, RPC, sendRefusal } from './refusal.ts';
import { type ReadBody, readBody } from './request-body.ts';
import { type Posted, readPosted } from './request-message.ts';
import { routeOf } from './route.ts';
import { decide, type Subject } from './rules.ts';
import { passStream } from './stream.ts';
import type { Upstream } from './upstream.ts';

/** Of a request that is refused whatever its body says, so much is read to record what was asked. Bytes. */
const REFUSED_BODY_BYTES = 64 * 1024;
const REFUSED_BODY_MS = 2_000;

/** What takes requests in: everything that is decided before an upstream is asked. */
export function openFront(
  parts: Parts,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { config } = parts;
  const guard = openGuard({
    host: config.host,
    allowedHosts: config.allowed_hosts,
    allowedOrigins: config.allowed_origins,
  });
  const addressOf = openClientAddress(config.trusted_proxies);
  return async (request, response) => {
    const arrivedMs = performance.now();
    const peer = request.socket.remoteAddress;
    const ip = addressOf(peer, textHeader(request, 'x-forwarded-for'));
    const inbound: Inbound = {
      request,
      response,
      route: routeOf(request.url ?? ''),
      arrivedMs,
      ip,
      isProxied: config.trusted_proxies.length > 0 && ip !== addressOf(peer, undefined),
      traceparent: traceparentOf(textHeader(request, 'traceparent')),
    };
    const fault = guard(request.headers.host, request.headers.origin);
    if (fault !== undefined) await refuseUnread(parts, inbound, undefined, FORBIDDEN[fault]);
    else await receive(parts, inbound);
  };
}

async function receive(parts: Parts, inbound: Inbound): Promise<void> {
  const { request, route } = inbound;
  const upstream = route && parts.upstreams.get(route.server);
  if (route === undefined || upstream === undefined)
    return refuseUnread(parts, inbound, undefined, NO_SUCH_SERVER);
  if (!METHODS.includes(request.method ?? '')) return refuseUnread(parts, inbound, upstream, NOT_ALLOWED);
  const caller = authenticate(parts, inbound, upstream);
  if ('refusal' in caller) return refuseUnread(parts, inbound, upstream, caller.refusal);
  const admitted: Admitted = { ...inbound, upstream, ...caller };
  if (request.method === 'POST') return post(parts, admitted);
  const denied = deniedBy(parts, subjectOf(admitted, null));
  if (denied !== undefined) return refuse(parts, admitted, undefined, denied, true);
  passStream(parts, admitted, upstream.target(route.query, request.method === 'GET'));
}

const METHODS = ['POST', 'GET', 'DELETE'];

async function post(parts: Parts, admitted: Admitted): Promise<void> {
  const { request, upstream, route } = admitted;
  const { config } = parts;
  const coding = textHeader(request, 'content-encoding')?.trim().toLowerCase() ?? 'identity';
  if (coding !== 'identity') return refuseUnread(parts, admitted, upstream, CODED);
  const body = await readBody(request, config.max_body_bytes, config.timeouts.request_ms);
  if (body.kind !== 'whole') return refuseBody(parts, admitted, body);
  const posted = readPosted(body.bytes, (name) => textHeader(request, name));
  if ('status' in posted) {
    const { status, code, why, text } = posted;
    const ending: Ending = { outcome: 'malformed', code: String(code), text: why };
    const refusal: Refusal = { status, code, message: sentence(why), ending };
    if (posted.posted !== undefined) return refuse(parts, admitted, posted.posted, refusal, true);
    sendRefusal(admitted.response, refusal, undefined, true);
    const { caller } = admitted;
    newTracker(parts, upstream.name).malformed(text ?? '', why, contextOf(admitted, caller), String(code));
    return;
  }
  const denied = denial(parts, admitted, posted) ?? overLimit(parts, admitted, posted);
  if (denied !== undefined) return refuse(parts, admitted, posted, denied, true);
  exchange(parts, admitted, posted, body.bytes, upstream.target(route?.query ?? '', false));
}

/** Who calls, by the key that is shown; a key that is shown must be good, where none is needed too. */
function authenticate(
  parts: Parts,
  { request }: Inbound,
  upstream: Upstream,
): { caller: KnownCaller | undefined; ownsAuthorization: boolean } | { refusal: Refusal } {
  const bearer = /^Bearer +(tmg_\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  const key = textHeader(request, KEY_HEADER) ?? bearer;
  const ownsAuthorization = bearer !== undefined;
  if (key === undefined) {
    return upstream.isAnonymous
      ? { caller: undefined, ownsAuthorization }
      : { refusal: unauthenticated('missing') };
  }
  const known = parts.keys.authenticate(key);
  return 'fault' in known
    ? { refusal: unauthenticated(known.fault) }
    : { caller: known.caller, ownsAuthorization };
}

const subjectOf = ({ caller, upstream }: Admitted, tool: string | null): Subject => ({
  caller: caller?.name ?? ANONYMOUS,
  team: caller?.team ?? null,
  server: upstream.name,
  tool,
});

function deniedBy(parts: Parts, subject: Subject): Refusal | undefined {
  const { effect, rule } = decide(parts.rules, parts.config.default_effect, subject);
  if (effect === 'allow') return undefined;
  const by = rule === null ? 'no rule allows it' : `rule ${rule}`;
  return {
    status: 403,
    code: RPC.denied,
    message: 'This caller may not do that here',
    ending: { outcome: 'denied', code: 'rule', text: by },
  };
}

/** Every request is asked about on its own; what is no request (a notification, an answer), once for all. */
function denial(parts: Parts, admitted: Admitted, { requests }: Posted): Refusal | undefined {
  if (requests.length === 0) return deniedBy(parts, subjectOf(admitted, null));
  for (const { tool } of requests) {
    const refusal = deniedBy(parts, subjectOf(admitted, tool));
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function overLimit(parts: Parts, admitted: Admitted, { requests }: Posted): Refusal | undefined {
  const over = parts.limiter.take(
    requests.map(({ tool }) => ({ ...subjectOf(admitted, tool), isToolCall: tool !== null })),
    parts.clock.nowMs(),
  );
  if (over === undefined) return undefined;
  const { bucket, retryAfterMs } = over;
  const isEver = Number.isFinite(retryAfterMs);
  return {
    status: 429,
    code: RPC.rateLimited,
    message: isEver
      ? `Over the limit; try again in ${(retryAfterMs / 1000).toFixed(1)} s`
      : 'More calls at once than the limit ever allows',
    ...(isEver && {
      data: { retryAfterMs },
      headers: { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) },
    }),
    ending: { outcome: 'rate_limited', code: 'bucket', text: `bucket ${bucket}` },
  };
}

/** Refuses a request whose messages are known, or that has none. */
function refuse(
  parts: Parts,
  inbound: Admitted,
  posted: Posted | undefined,
  refusal: Refusal,
  isRead: boolean,
): void {
  sendRefusal(inbound.response, refusal, posted, isRead);
  setImmediate(() => recordRefused(parts, inbound, inbound.upstream, inbound.caller, posted, refusal.ending));
}

function recordRefused(
  parts: Parts,
  inbound: Inbound,
  upstream: Upstream | undefined,
  caller: KnownCaller | undefined,
  posted: Posted | undefined,
  ending: Ending,
): void {
  const recorder = new Recorder(newTracker(parts, upstream?.name ?? 'unknown'));
  const context = contextOf(inbound, caller, posted?.isBatch);
  if (posted !== undefined && posted.requests.length > 0) {
    recorder.begin(posted, context);
    recorder.finish(ending);
    recorder.tracker.close();
    return;
  }
  const method = (posted?.messages[0]?.[0] as { method?: unknown } | undefined)?.method;
  const name = typeof method === 'string' ? method : `http/${(inbound.request.method ?? '').toLowerCase()}`;
  recordOther(recorder.tracker, name, ending, context);
}

/** Refuses what is refused whatever the body says; a small one is read to its end, so that the record can tell. */
async function refuseUnread(
  parts: Parts,
  inbound: Inbound,
  upstream: Upstream | undefined,
  refusal: Refusal,
): Promise<void> {
  let posted: Posted | undefined;
  let isRead = true;
  if (inbound.request.method === 'POST') {
    const body = await readBody(inbound.request, REFUSED_BODY_BYTES, REFUSED_BODY_MS);
    isRead = body.kind === 'whole';
    const read = isRead ? readPosted(body.bytes, () => undefined) : undefined;
    posted = read !== undefined && 'status' in read ? read.posted : read;
  }
  sendRefusal(inbound.response, refusal, posted, isRead);
  recordRefused(parts, inbound, upstream, undefined, posted, refusal.ending);
}

function refuseBody(parts: Parts, admitted: Admitted, body: ReadBody): void {
  const { request, response, upstream, caller } = admitted;
  const refusal =
    body.kind === 'too_large'
      ? tooLarge(parts.config.max_body_bytes)
      : body.kind === 'too_slow'
        ? SLOW
        : GONE;
  if (body.kind === 'gone') response.destroy();
  else {
    // What is still on its way is not read: the connection ends once the answer is out.
    response.once('finish', () => request.destroy());
    sendRefusal(response, refusal, undefined, false);
  }
  recordOther(newTracker(parts, upstream.name), 'http/post', refusal.ending, contextOf(admitted, caller));
}

const sentence = (clause: string): string => clause.charAt(0).toUpperCase() + clause.slice(1);

const malformed = (status: number, message: string, headers?: Record<string, string>): Refusal => ({
  status,
  code: RPC.invalidRequest,
  message,
  ...(headers && { headers }),
  ending: { outcome: 'malformed', code: `http_${status}`, text: message },
});

const NO_SUCH_SERVER = malformed(404, 'There is no such server here');
const CODED = malformed(415, 'Request bodies are taken as they are, not compressed');
const SLOW = malformed(408, 'The request did not arrive in time');
const GONE: Refusal = {
  ...malformed(400, 'The client went away before its request was whole'),
  ending: { outcome: 'disconnected', text: 'The client went away before its request was whole' },
};
const tooLarge = (maxBytes: number): Refusal => malformed(413, `The body is over ${maxBytes} bytes`);
const NOT_ALLOWED = malformed(405, 'The method is not allowed here', { allow: METHODS.join(', ') });

const forbidden = (code: string, message: string): Refusal => ({
  status: 403,
  code: RPC.denied,
  message,
  ending: { outcome: 'denied', code, text: message },
});
const FORBIDDEN = {
  host: forbidden('host', 'The host name of the request is not one of this gateway'),
  origin: forbidden('origin', 'The request comes from a web page of another origin'),
} as const;

const FAULTS: Readonly<Record<KeyFault, string>> = {
  missing: 'A key is needed here',
  malformed: 'The key is not one of this gateway',
  unknown: 'The key is not known, or was revoked',
  expired: 'The key has expired',
};

function unauthenticated(fault: KeyFault): Refusal {
  const challenge = `Bearer realm="toolmeter"${fault === 'missing' ? '' : ', error="invalid_token"'}`;
  return {
    status: 401,
    code: RPC.denied,
    message: FAULTS[fault],
    headers: { 'www-authenticate': challenge },
    ending: { outcome: 'denied', code: `key_${fault}`, text: FAULTS[fault] },
  };
}
