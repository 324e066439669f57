/**
 * A server that speaks stdio, reached over streamable HTTP: each session starts the command and passes messages both
 * ways. `node conformance-bridge.ts COMMAND ARGS…` prints its URL.
 */
import { randomUUID } from 'node:crypto';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import { serveHttp } from './conformance-http.ts';

const [command, ...args] = process.argv.slice(2);

async function connect(http: Transport): Promise<void> {
  const child = new StdioClientTransport({
    command: command as string,
    args,
    env: process.env as Record<string, string>,
    stderr: 'inherit',
  });
  const open = new Set<RequestId>();
  http.onmessage = (message: JSONRPCMessage) => {
    if ('method' in message && 'id' in message) open.add(message.id);
    void child.send(message);
  };
  child.onmessage = (message: JSONRPCMessage) => {
    if (!('method' in message) && message.id !== undefined) open.delete(message.id);
    // What the server says by itself belongs, over HTTP, to the stream of a request: the newest that waits.
    const related = 'method' in message ? [...open].at(-1) : undefined;
    void http.send(message, related === undefined ? {} : { relatedRequestId: related });
  };
  http.onclose = () => void child.close();
  await child.start();
  await http.start();
}

console.log(await serveHttp(connect, randomUUID));
