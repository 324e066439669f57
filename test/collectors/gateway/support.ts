import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { z } from 'zod';
import {
  type CallerKeys,
  type Gateway,
  openCallerKeys,
  openGateway,
} from '../../../collectors/gateway/index.ts';
import type { ObservedCall } from '../../../schemas/call-event.ts';
import { GatewaySchema } from '../../../schemas/gateway.ts';
import { KeptOutbox, testCapture } from '../rpc/support.ts';

export interface TestGateway {
  readonly gateway: Gateway;
  readonly keys: CallerKeys;
  readonly outbox: KeptOutbox;
  /** Of a server's Streamable HTTP endpoint. */
  url(server: string): string;
  /** Resolves with the records once there are so many. */
  events(count: number): Promise<ObservedCall[]>;
}

/** A gateway on a free port, closed when the test is over. */
export async function startGateway(config: z.input<typeof GatewaySchema>): Promise<TestGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-gateway-'));
  const keys = openCallerKeys(join(folder, 'gateway-keys.json'));
  const outbox = new KeptOutbox();
  const gateway = await openGateway({
    config: GatewaySchema.parse({ port: 0, ...config }),
    keys,
    outbox,
    capture: testCapture,
  });
  onTestFinished(async () => {
    await gateway.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    gateway,
    keys,
    outbox,
    url: (server) => `${gateway.url}/servers/${server}/mcp`,
    async events(count) {
      await until(() => outbox.ended.length >= count, `${count} records`);
      return outbox.events();
    },
  };
}

/** Waits until `done`; the runner's own limit ends a wait that is in vain. */
export async function until(done: () => boolean, what: string): Promise<void> {
  for (let i = 0; !done(); i++) {
    if (i === 10_000) throw new Error(`${what} did not come about`);
    await new Promise((next) => setTimeout(next, 2));
  }
}

/** What an upstream that was written by hand got: the head and the body of one request. */
export interface RawRequest {
  readonly head: string;
  readonly body: string;
}

export interface RawUpstream {
  readonly url: string;
  readonly requests: RawRequest[];
  /** Connections that are open. */
  readonly sockets: Set<Socket>;
}

/** An upstream of bytes: what `answer` writes is what goes out. */
export async function rawUpstream(
  answer: (socket: Socket, request: RawRequest) => void,
): Promise<RawUpstream> {
  const requests: RawRequest[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (;;) {
        const end = text.indexOf('\r\n\r\n');
        if (end === -1) return;
        const head = text.slice(0, end);
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
        if (text.length < end + 4 + length) return;
        const request = { head, body: text.slice(end + 4, end + 4 + length) };
        text = text.slice(end + 4 + length);
        requests.push(request);
        answer(socket, request);
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, requests, sockets };
}

/** An HTTP answer as bytes, with its length. */
export function http(body: string | Buffer, headers: readonly string[] = [], status = '200 OK'): Buffer {
  const bytes = Buffer.from(body);
  const type = headers.some((line) => /^content-type:/i.test(line)) ? [] : ['Content-Type: application/json'];
  const head = [`HTTP/1.1 ${status}`, ...type, ...headers, `Content-Length: ${bytes.length}`, '', ''];
  return Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), bytes]);
}

export const call = (id: unknown = 1, name = 'echo', args: object = {}): string =>
  JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } });

export const result = (id: unknown = 1, text = 'hi'): string =>
  JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } });

export function post(
  url: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    body: body as string,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
  });
}
