import { userInfo } from 'node:os';
import type { Caller } from '../rpc/caller.ts';
import { asObject } from '../rpc/message.ts';
import type { MessageContext, TransportKind } from '../rpc/tracker.ts';
import type { TransportLike } from './sdk-types.ts';

/**
 * How a transport carries messages. By class name, as both SDKs name theirs; where a bundler has taken the names,
 * by what only that transport has.
 */
export function transportKind(transport: TransportLike): TransportKind {
  const name = transport.constructor?.name ?? '';
  if (/stdio/i.test(name)) return 'stdio';
  if (/http/i.test(name)) return 'http';
  if (/sse/i.test(name)) return 'sse';
  if (/memory/i.test(name)) return 'memory';
  if ('handleRequest' in transport || 'handleMessage' in transport) return 'http';
  if ('_stdin' in transport || '_stdout' in transport) return 'stdio';
  if ('_otherTransport' in transport) return 'memory';
  return 'other';
}

let osUser: Caller | undefined;

/** The owner of this process, which the operating system vouches for. */
export function osUserCaller(): Caller {
  if (osUser === undefined) {
    try {
      osUser = { id: userInfo().username, source: 'os_user', verified: true };
    } catch {
      osUser = { id: String(process.getuid?.() ?? 'unknown'), source: 'os_user', verified: true };
    }
  }
  return osUser;
}

/** Who calls over a transport when no message says so: beside a pipe it is whoever owns the process. */
export function transportCaller(kind: TransportKind): Caller | undefined {
  return kind === 'stdio' || kind === 'memory' ? osUserCaller() : undefined;
}

/** What v1 (`requestInfo.headers`) and v2 (`request.headers`) hand over beside a message. Read when asked. */
export class ExtraContext implements MessageContext {
  readonly sessionId: string | undefined;
  readonly parentCallId: string | undefined;
  readonly ip: string | undefined;
  readonly #extra: Record<string, unknown> | undefined;

  constructor(extra: unknown, sessionId: string | undefined, parentCallId?: string, ip?: string) {
    this.#extra = asObject(extra);
    this.ip = ip;
    this.sessionId = sessionId;
    this.parentCallId = parentCallId;
  }

  get caller(): Caller | undefined {
    return authenticated(this.#extra?.authInfo);
  }

  header(name: string): string | undefined {
    const extra = this.#extra;
    return (
      headerOf(asObject(extra?.requestInfo)?.headers, name) ??
      headerOf(asObject(extra?.request)?.headers, name)
    );
  }
}

/**
 * The caller that a server's own authentication accepted (`authInfo`): the token's subject where the server put it
 * into `extra`, else the OAuth client.
 */
export function authenticated(authInfo: unknown): Caller | undefined {
  const info = asObject(authInfo);
  if (info === undefined) return undefined;
  const extra = asObject(info.extra);
  const subject = [extra?.sub, extra?.subject, extra?.userId, extra?.email].find(
    (v) => typeof v === 'string',
  );
  const client = typeof info.clientId === 'string' ? info.clientId : undefined;
  const id = (subject as string | undefined) ?? client;
  if (id === undefined || id === '') return undefined;
  const isJwt = typeof info.token === 'string' && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(info.token);
  return {
    id,
    source: isJwt ? 'jwt' : 'api_key',
    verified: true,
    ...(subject !== undefined && client !== undefined && client !== subject && { acting_as: client }),
  };
}

function headerOf(headers: unknown, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  if (typeof (headers as Headers).get === 'function') return (headers as Headers).get(name) ?? undefined;
  const value = (headers as Record<string, unknown>)[name];
  if (typeof value === 'string') return value;
  return Array.isArray(value) && typeof value[0] === 'string' ? value[0] : undefined;
}
