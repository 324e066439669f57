import { isUtf8 } from 'node:buffer';
import { isAmbiguous } from '../rpc/find-value.ts';
import { asObject, isRequestId, type JsonObject, protocolOfMeta, type RequestId } from '../rpc/message.ts';
import { messagesOf } from '../stdio/feed.ts';

/** A JSON-RPC request: it has an id, and will be answered. */
export interface RpcRequest {
  readonly id: RequestId;
  readonly method: string;
  readonly params: JsonObject | undefined;
  /** The tool of a tools/call. */
  readonly tool: string | null;
  /** The whole message, and its own text. */
  readonly message: JsonObject;
  readonly text: string;
}

/** What a body says that was posted to a server. */
export interface Posted {
  /** Every message, with its own text: requests, notifications, answers to the server. */
  readonly messages: readonly (readonly [message: unknown, text: string])[];
  readonly requests: readonly RpcRequest[];
  readonly isBatch: boolean;
}

/** Why a body is refused: a JSON-RPC error code, the HTTP status, and a sentence that quotes nothing of it. */
export interface BodyFault {
  readonly status: number;
  readonly code: number;
  readonly why: string;
  /** The messages where the body could be read, so that each can be recorded. */
  readonly posted?: Posted;
  /** The body's text where it could not. */
  readonly text?: string;
}

/** JSON-RPC 2.0 §5.1, and of MCP revision 2026-07-28 the error for headers that are not the body's. */
const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const HEADER_MISMATCH = -32020;

const NO_BATCHES_FROM = '2025-06-18';
const STATELESS_FROM = '2026-07-28';
/** What rules go by: a server that reads them otherwise would be given another call than was allowed. */
const MEMBERS = ['jsonrpc', 'id', 'method', 'params'];
const PARAMS = ['name', 'uri', 'arguments', '_meta'];
const BYTE_ORDER_MARK = 0xfeff;

type Header = (name: string) => string | undefined;

/** Reads a whole body and holds it to its headers. */
export function readPosted(body: Uint8Array, header: Header): Posted | BodyFault {
  if (!isUtf8(body))
    return { status: 400, code: PARSE_ERROR, why: 'the body is not UTF-8', text: latin1(body) };
  let text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  if (text.charCodeAt(0) === BYTE_ORDER_MARK) text = text.slice(1);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { status: 400, code: PARSE_ERROR, why: 'the body is not JSON', text };
  }
  if (typeof value !== 'object' || value === null)
    return { status: 400, code: INVALID_REQUEST, why: 'the body is no JSON-RPC message', text };
  const isBatch = Array.isArray(value);
  const messages = messagesOf(value, text);
  const posted: Posted = { messages, requests: messages.flatMap(requestOf), isBatch };
  if (isBatch && (value as unknown[]).length === 0)
    return { status: 400, code: INVALID_REQUEST, why: 'an empty batch', posted };
  if (messages.some(([, own]) => isAmbiguous(own, [], MEMBERS) || isAmbiguous(own, ['params'], PARAMS)))
    return { status: 400, code: INVALID_REQUEST, why: 'a member is repeated, or in another case', posted };
  const version = header('mcp-protocol-version');
  if (isBatch && version !== undefined && version >= NO_BATCHES_FROM)
    return {
      status: 400,
      code: INVALID_REQUEST,
      why: `revision ${NO_BATCHES_FROM} and later have no batches`,
      posted,
    };
  const mismatch =
    version !== undefined && version >= STATELESS_FROM ? contradiction(posted, header, version) : undefined;
  return mismatch === undefined ? posted : { status: 400, code: HEADER_MISMATCH, why: mismatch, posted };
}

function requestOf([message, text]: readonly [unknown, string]): RpcRequest[] {
  const object = asObject(message);
  if (object === undefined || typeof object.method !== 'string' || !isRequestId(object.id)) return [];
  const { id, method } = object;
  const params = asObject(object.params);
  const tool = method === 'tools/call' ? (typeof params?.name === 'string' ? params.name : '') : null;
  return [{ id, method, params, tool, message: object, text }];
}

/** Where the name that `Mcp-Name` repeats stands in the parameters, by method. */
const NAME_SOURCE: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/**
 * What headers of revision 2026-07-28 say against the body. Rules and buckets go by the body; a server that goes by
 * the headers must not see another call. Headers that are missing are the server's to complain of.
 */
function contradiction({ messages }: Posted, header: Header, version: string): string | undefined {
  const message = asObject(messages[0]?.[0]);
  if (message === undefined || typeof message.method !== 'string') return undefined;
  const params = asObject(message.params);
  const claimed = protocolOfMeta(asObject(params?._meta));
  if (claimed !== undefined && claimed !== version)
    return 'MCP-Protocol-Version names another revision than the body';
  const method = header('mcp-method');
  if (method !== undefined && method !== message.method)
    return 'Mcp-Method names another method than the body';
  const source = NAME_SOURCE[message.method];
  const name = header('mcp-name');
  if (source === undefined || name === undefined) return undefined;
  const decoded = decodeHeader(name);
  if (decoded === undefined) return 'Mcp-Name is not encoded as it should be';
  const value = params?.[source];
  return typeof value === 'string' && value !== decoded
    ? 'Mcp-Name names something else than the body'
    : undefined;
}

/** A header value that may be written `=?base64?…?=` where it is not plain ASCII; undefined where that is not so. */
function decodeHeader(value: string): string | undefined {
  const text = value.replace(/^[ \t]+|[ \t]+$/g, '');
  if (!text.startsWith('=?base64?') || !text.endsWith('?=') || text.length < 11) return text;
  const encoded = text.slice(9, -2);
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded)) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
