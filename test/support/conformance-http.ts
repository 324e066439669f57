import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type EventStore,
  StreamableHTTPServerTransport,
} from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';

/**
 * Streamable HTTP on a free loopback port, a session for each client, each with its transport handed to `connect`.
 * Streams can be resumed; Host and Origin must be loopback. Resolves to the URL.
 */
export async function serveHttp(
  connect: (transport: Transport) => Promise<void>,
  newSessionId: () => string,
): Promise<string> {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const server = createServer(async (request, response) => {
    if (!isLoopback(request)) {
      response.writeHead(403).end('Host and Origin must be loopback');
      return;
    }
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? sessions.get(id) : undefined;
    if (known !== undefined) {
      await known.handleRequest(request, response);
      return;
    }
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: newSessionId,
      onsessioninitialized: (session) => void sessions.set(session, transport),
      onsessionclosed: (session) => void sessions.delete(session),
      eventStore: memoryEvents(),
      retryInterval: 500,
    });
    await connect(transport as Transport);
    await transport.handleRequest(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

function isLoopback({ headers }: IncomingMessage): boolean {
  const hosts = [headers.host, headers.origin && new URL(headers.origin).host];
  return hosts.every((host) => !host || /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host));
}

/** Every event of a session, kept in order. */
function memoryEvents(): EventStore {
  const events: { streamId: string; message: JSONRPCMessage }[] = [];
  return {
    storeEvent: async (streamId, message) => String(events.push({ streamId, message })),
    replayEventsAfter: async (lastEventId, { send }) => {
      const last = Number(lastEventId);
      const streamId = events[last - 1]?.streamId ?? '';
      for (const [i, event] of events.entries()) {
        if (i >= last && event.streamId === streamId) await send(String(i + 1), event.message);
      }
      return streamId;
    },
  };
}
