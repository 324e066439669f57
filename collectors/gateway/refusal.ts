import type { ServerResponse } from 'node:http';
import { findValue } from '../rpc/find-value.ts';
import type { Ending } from '../rpc/tracker.ts';
import type { Posted } from './request-message.ts';

/** An answer of the gateway's own in place of the upstream's. */
export interface Refusal {
  readonly status: number;
  /** JSON-RPC error code. */
  readonly code: number;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** How the calls of the request ended, for the record. */
  readonly ending: Ending;
}

/**
 * JSON-RPC error codes of ours, from the range that JSON-RPC leaves to implementations. −32001 is what the MCP SDKs say
 * of a request that timed out, −32005 what others say of a limit (EIP-1474).
 */
export const RPC = {
  invalidRequest: -32600,
  upstream: -32000,
  timeout: -32001,
  denied: -32003,
  rateLimited: -32005,
} as const;

/** The JSON-RPC error for one id, given as JSON text: digits past 2^53 survive. */
export function errorText(refusal: Refusal, idText: string): string {
  const { code, message, data } = refusal;
  return `{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify({ code, message, ...(data && { data }) })}}`;
}

/** The body of an answer to what was posted: an error for the request, for each of a batch, or for no id. */
export function refusalBody(refusal: Refusal, posted: Posted | undefined): string {
  const texts = (posted?.requests ?? []).map((request) => errorText(refusal, idText(request.text)));
  if (texts.length === 0) return errorText(refusal, 'null');
  return posted?.isBatch ? `[${texts.join(',')}]` : (texts[0] as string);
}

/** The id of a message as it was written. */
export function idText(messageText: string): string {
  const span = findValue(messageText, ['id']);
  return span === undefined ? 'null' : messageText.slice(span.start, span.end);
}

/** Sends it. Where the request has not been read to its end, the connection ends with the answer. */
export function sendRefusal(
  response: ServerResponse,
  refusal: Refusal,
  posted: Posted | undefined,
  isRead: boolean,
): void {
  const body = refusalBody(refusal, posted);
  response.writeHead(refusal.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(!isRead && { connection: 'close' }),
    ...refusal.headers,
  });
  response.end(body);
}
