/** JSON-RPC as MCP uses it: reading the parts of a parsed message. Nothing here throws. */

/** MCP request ids are strings or numbers; "1" is not 1, and 0 is an id. */
export type RequestId = string | number;

export type JsonObject = Record<string, unknown>;

/** `_meta` key by which a call id travels with a request. */
export const CALL_META_KEY = 'io.toolmeter/call';
/** HTTP header by which it travels between a gateway and its upstream. */
export const CALL_HEADER = 'toolmeter-call';

/** `_meta` keys of revision 2026-07-28, where each request carries its own identity. */
const CLIENT_INFO = 'io.modelcontextprotocol/clientInfo';
const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';
const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion';

export interface Implementation {
  readonly name: string;
  readonly version?: string;
}

export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' || typeof value === 'number';
}

/** Name and version as an `initialize` or a `_meta` declares them. */
export function implementationOf(value: unknown): Implementation | undefined {
  const info = asObject(value);
  if (info === undefined || typeof info.name !== 'string') return undefined;
  return typeof info.version === 'string' ? { name: info.name, version: info.version } : { name: info.name };
}

export function clientOfMeta(meta: JsonObject | undefined): Implementation | undefined {
  return meta === undefined ? undefined : implementationOf(meta[CLIENT_INFO]);
}

export function protocolOfMeta(meta: JsonObject | undefined): string | undefined {
  const version = meta?.[PROTOCOL_VERSION];
  return typeof version === 'string' ? version : undefined;
}

/** What an answer says about its server: `initialize` and `server/discover` results, or any result's `_meta`. */
export function serverOfResult(result: JsonObject): Implementation | undefined {
  return implementationOf(result.serverInfo) ?? implementationOf(asObject(result._meta)?.[SERVER_INFO]);
}

/** Not terminal: the server asks for input first (2026-07-28), or has accepted a task (2025-11-25). */
export function isInterim(result: JsonObject): boolean {
  return result.resultType === 'input_required' || typeof asObject(result.task)?.taskId === 'string';
}

/** What a tool that failed says: the first text among its content. */
export function toolErrorText(result: JsonObject): string | undefined {
  if (!Array.isArray(result.content)) return undefined;
  for (const item of result.content as unknown[]) {
    const part = asObject(item);
    if (part?.type === 'text' && typeof part.text === 'string') return part.text;
  }
  return undefined;
}

/** Takes our key out of a request's `_meta`, and with it a `_meta` that holds nothing else. What it held. */
export function takeCallId(message: unknown): string | undefined {
  const params = asObject(asObject(message)?.params);
  const meta = asObject(params?._meta);
  if (params === undefined || meta === undefined || !(CALL_META_KEY in meta)) return undefined;
  const carried = carriedCallId(meta[CALL_META_KEY]);
  delete meta[CALL_META_KEY];
  if (Object.keys(meta).length === 0) delete params._meta;
  return carried;
}

/** A call id that travelled with a request: of our alphabet and length, or it is none. */
export function carriedCallId(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{8,64}$/.test(value) ? value : undefined;
}
