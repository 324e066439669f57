import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, systemClock } from '../../core/clock.ts';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { GatewayConfig } from '../../schemas/gateway.ts';
import type { CaptureOptions } from '../capture.ts';
import type { Outbox } from '../spool/outbox.ts';
import type { CallerKeys } from './callers.ts';
import { openFront } from './front.ts';
import { Limiter } from './limiter.ts';
import { newTracker, type Parts } from './parts.ts';
import { recordOther } from './recorder.ts';
import { compileRules } from './rules.ts';
import { Sessions } from './sessions.ts';
import { openUpstream, type Upstream } from './upstream.ts';

export { type CallerKeyInfo, type CallerKeys, openCallerKeys } from './callers.ts';

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly keys: CallerKeys;
  /** What each upstream's `headers` stand for, by server and header name. */
  readonly upstreamHeaders?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The gateway hands calls to it and does not close it. */
  readonly outbox: Outbox;
  readonly capture: CaptureOptions;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface Gateway {
  readonly url: string;
  /** Answers on their way now. */
  readonly active: number;
  /** Takes nothing new, ends streams, waits for open calls as long as `timeouts.drain_ms`, ends what is left. */
  close(): Promise<void>;
}

/** What the records of all open answers may hold together, bytes. */
const RECORD_BUDGET_BYTES = 128 * 1024 * 1024;
const MAX_HEADER_BYTES = 32 * 1024;
/** How often Node looks for requests that take too long, milliseconds. */
const LOOK_MS = 1_000;

/** Starts a gateway. @throws ToolmeterError TM_GATEWAY_LISTEN */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, upstreamHeaders = {}, clock = systemClock, log = silentLog } = options;
  const upstreams = new Map<string, Upstream>(
    Object.entries(config.servers).map(([name, server]) => [
      name,
      openUpstream(name, server, config, upstreamHeaders[name] ?? {}),
    ]),
  );
  const parts: Parts = {
    config,
    upstreams,
    keys: options.keys,
    rules: compileRules(config.rules),
    limiter: new Limiter(config.buckets),
    sessions: new Sessions(),
    outbox: options.outbox,
    capture: options.capture,
    budget: { leftBytes: RECORD_BUDGET_BYTES },
    relays: new Set(),
    streams: new Set(),
    parked: new Set(),
    clock,
    log,
  };
  const front = openFront(parts);
  let isDraining = false;
  /** Requests that have been taken and whose answers are not out. */
  let taken = 0;
  let idle: () => void = () => {};

  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: config.timeouts.request_ms,
      // The body has a limit of its own, which answers in JSON-RPC; this is behind it.
      requestTimeout: config.timeouts.request_ms + 2 * LOOK_MS,
      connectionsCheckingInterval: LOOK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => {
      taken++;
      response.once('close', () => {
        taken--;
        if (taken === 0) idle();
      });
      if (isProbe(request, response, isDraining)) return;
      if (isDraining) response.shouldKeepAlive = false;
      front(request, response).catch((error: unknown) => {
        log.error({ error: messageOf(error) }, 'a request could not be handled');
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    },
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseRaw(parts, error, socket));
  await listen(server, config);

  return {
    url: urlOf(server),
    get active() {
      return parts.relays.size;
    },
    async close() {
      isDraining = true;
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const relay of [...parts.streams]) relay.stop();
      if (taken > 0)
        await new Promise<void>((done) => {
          idle = done;
          setTimeout(done, config.timeouts.drain_ms).unref();
        });
      for (const relay of [...parts.relays]) relay.stop();
      for (const giveUp of [...parts.parked]) giveUp();
      parts.sessions.close();
      server.closeAllConnections();
      await Promise.all([closed, ...[...upstreams.values()].map((upstream) => upstream.close())]);
    },
  };
}

/** Longer than what clients and balancers keep a connection that nothing uses. */
const KEEP_ALIVE_MS = 65_000;

/** Probes name whatever host they like, and are no events. */
function isProbe({ url, method }: IncomingMessage, response: ServerResponse, isDraining: boolean): boolean {
  if (method !== 'GET' || (url !== '/healthz' && url !== '/readyz')) return false;
  const isReady = url === '/healthz' || !isDraining;
  response
    .writeHead(isReady ? 200 : 503, { 'content-type': 'text/plain' })
    .end(isReady ? 'ok\n' : 'draining\n');
  return true;
}

const RAW_ANSWERS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

/** What is no HTTP, or takes too long over its headers. */
function refuseRaw(parts: Parts, error: NodeJS.ErrnoException, socket: Duplex): void {
  const { code } = error;
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const answer = RAW_ANSWERS[code ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  const ip = (socket as { remoteAddress?: string }).remoteAddress;
  recordOther(
    newTracker(parts, 'unknown'),
    'http/unknown',
    { outcome: 'malformed', code: `http_${answer.slice(0, 3)}`, text: answer.slice(4) },
    { ip },
  );
}

function listen(server: Server, { host, port }: GatewayConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new ToolmeterError(
          'TM_GATEWAY_LISTEN',
          `The gateway can't listen on ${host}:${port}: ${messageOf(error)}.`,
          'Set gateway.host and gateway.port.',
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
