/**
 * The parts of the MCP TypeScript SDKs that we touch, by structure: both major versions have them, and neither is a
 * dependency.
 */

export type OnMessage = (this: unknown, message: unknown, extra?: unknown) => unknown;

export interface TransportLike {
  onmessage?: unknown;
  onclose?: unknown;
  send(message: unknown, options?: unknown): Promise<void>;
  close(): Promise<void>;
  start(): Promise<void>;
  sessionId?: string | undefined;
}

/** `Server` and `Client`: what a transport is connected to. */
export interface ProtocolLike {
  connect(transport: TransportLike, ...rest: unknown[]): Promise<void>;
  readonly transport?: TransportLike | undefined;
}

/** `McpServer` holds its `Server`. */
export interface McpServerLike {
  readonly server: ProtocolLike;
}

/** What v2's `createMcpHandler` makes. */
export interface FetchHandlerLike {
  fetch(request: Request, options?: { authInfo?: unknown; parsedBody?: unknown }): Promise<Response>;
}

export function isTransport(value: unknown): value is TransportLike {
  return hasFunction(value, 'send') && hasFunction(value, 'start') && hasFunction(value, 'close');
}

/** The protocol object in a server or client, or undefined where the value is neither. */
export function protocolOf(value: unknown): ProtocolLike | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const inner = (value as Partial<McpServerLike>).server;
  if (hasFunction(inner, 'connect') && hasFunction(inner, 'setRequestHandler'))
    return inner as unknown as ProtocolLike;
  return hasFunction(value, 'connect') && hasFunction(value, 'setRequestHandler')
    ? (value as unknown as ProtocolLike)
    : undefined;
}

export function isFetchHandler(value: unknown): value is FetchHandlerLike {
  return hasFunction(value, 'fetch') && hasFunction(value, 'close');
}

function hasFunction(value: unknown, name: string): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Record<string, unknown>)[name] === 'function'
  );
}
