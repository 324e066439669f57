import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, McpServer as McpServerV2 } from '@modelcontextprotocol/server';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type MeterOptions, meter, meterClient, tag } from '../../../collectors/sdk/index.ts';
import { KeptOutbox, testCapture } from '../rpc/support.ts';
import { textResult, until } from './sdks.ts';

let outbox: KeptOutbox;
let options: MeterOptions;
const open: { close(): unknown }[] = [];

beforeEach(() => {
  outbox = new KeptOutbox();
  options = { outbox, capture: testCapture };
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

/** Serves on loopback; the URL of it. */
async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<URL> {
  const server: Server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
}

const inputSchema = z.object({ text: z.string() });

function v1Server(): McpServerV1 {
  const server = new McpServerV1({ name: 'v1-server', version: '1' });
  server.registerTool('echo', { inputSchema: inputSchema.shape as never }, (async ({
    text,
  }: {
    text: string;
  }) => {
    tag('said', text);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return textResult(text);
  }) as never);
  return server;
}

function v2Server(): McpServerV2 {
  const server = new McpServerV2({ name: 'v2-server', version: '2' }, { capabilities: { logging: {} } });
  server.registerTool('echo', { inputSchema }, async ({ text }) => {
    tag('said', text);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return textResult(text);
  });
  server.registerTool('hangs', { inputSchema }, () => new Promise<never>(() => {}));
  server.registerTool('sees', { inputSchema }, async (_, extra) =>
    textResult(JSON.stringify(extra.mcpReq._meta ?? {})),
  );
  server.registerTool('notifies', { inputSchema }, async (_, extra) => {
    await extra.mcpReq.notify({
      method: 'notifications/message',
      params: { level: 'info', data: 'progress' },
    });
    return textResult('done');
  });
  return server;
}

async function v1Client(url: URL, metered?: MeterOptions): Promise<ClientV1> {
  const client = new ClientV1({ name: 'v1-client', version: '1' });
  if (metered !== undefined) meterClient(client, metered);
  await client.connect(new HttpV1(url) as never);
  open.push(client);
  return client;
}

async function v2Client(url: URL, mode: 'legacy' | 'auto', metered?: MeterOptions): Promise<ClientV2> {
  const client = new ClientV2({ name: 'v2-client', version: '2' }, { versionNegotiation: { mode } });
  if (metered !== undefined) meterClient(client, metered);
  await client.connect(new HttpV2(url));
  open.push(client);
  return client;
}

const echo = (text: string) => ({ name: 'echo', arguments: { text } });

describe('v1', () => {
  test('with a session: its id is on every call, and the caller is who the client says', async () => {
    const server = meter(v1Server(), options);
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => 'session-1' });
    await server.connect(transport as never);
    const url = await serve((request, response) => void transport.handleRequest(request, response));
    const clients = new KeptOutbox();
    const client = await v1Client(url, { ...options, outbox: clients });
    expect(await client.callTool(echo('hi'))).toMatchObject(textResult('hi'));
    for (const event of outbox.events())
      expect(event).toMatchObject({
        transport: 'http',
        session_id: 'session-1',
        outcome: 'ok',
        client: { name: 'v1-client' },
        caller: { id: 'v1-client', source: 'declared', verified: false },
        ip: '127.0.0.1',
      });
    const [call] = outbox.of('tools/call');
    expect(call?.tags).toEqual({ said: 'hi' });
    expect(clients.of('tools/call')[0]?.call_id).toBe(call?.call_id);
    expect(clients.of('tools/call')[0]).toMatchObject({ transport: 'http', session_id: 'session-1' });
    expect(clients.of('tools/call')[0]?.caller).toMatchObject({ source: 'os_user', verified: true });
  });

  test('what the server’s authentication verified, and trace context from the headers', async () => {
    const server = meter(v1Server(), options);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: undefined,
      enableJsonResponse: true,
    });
    await server.connect(transport as never);
    const url = await serve((request, response) => {
      const auth = { token: 'a.b.c', clientId: 'app', scopes: [], extra: { sub: 'ada' } };
      void transport.handleRequest(Object.assign(request, { auth }) as never, response);
    });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const answer = await post(url, rpc('ping', {}, 1), {
      traceparent,
      'toolmeter-call': 'from-gateway-1',
      'x-forwarded-for': '203.0.113.9',
    });
    expect(answer.status).toBe(200);
    expect(outbox.events()).toMatchObject([
      {
        caller: { id: 'ada', source: 'jwt', verified: true, acting_as: 'app' },
        trace: { traceparent },
        call_id: 'from-gateway-1',
        ip: '127.0.0.1',
        outcome: 'ok',
      },
    ]);
  });

  test('stateless: a server a request, all with the same id at once', async () => {
    const factory = meter(v1Server, options);
    const url = await serve(async (request, response) => {
      const server = factory();
      const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
      await server.connect(transport as never);
      await transport.handleRequest(request, response);
      response.on('close', () => void server.close());
    });
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const answer = await post(url, rpc('tools/call', echo(`n${i}`), 1));
        expect(await answer.text()).toContain(`n${i}`);
      }),
    );
    await until(() => outbox.ended.length === 8, 'eight calls');
    for (const event of outbox.events()) {
      expect(event).toMatchObject({
        outcome: 'ok',
        server: { name: 'v1-server' },
        request_id: { value: '1' },
      });
      expect(event.arguments.text).toBe(JSON.stringify({ text: event.tags.said }));
      expect(event.result.text).toContain(event.tags.said);
    }
    expect(new Set(outbox.events().map((event) => event.tags.said)).size).toBe(8);
  });
});

test('v2 on its own transport: the caller’s address is the connection’s', async () => {
  const server = meter(v2Server(), options);
  const transport = new NodeStreamableHTTPServerTransport({ sessionIdGenerator: () => 'session-2' });
  await server.connect(transport);
  const url = await serve((request, response) => void transport.handleRequest(request, response));
  const client = await v2Client(url, 'legacy');
  expect(await client.callTool(echo('hi'))).toMatchObject(textResult('hi'));
  expect(outbox.of('tools/call')[0]).toMatchObject({ ip: '127.0.0.1', session_id: 'session-2' });
});

/** What is metered: the factory, the handler, or both; the records must be the same. */
const metered = {
  factory: () => createMcpHandler(meter(v2Server, options)),
  handler: () => meter(createMcpHandler(v2Server), options),
  both: () => meter(meter(createMcpHandler(meter(v2Server, options)), options), options),
};

describe.each(Object.entries(metered))('v2, metered: %s', (which, make) => {
  let url: URL;
  beforeEach(async () => {
    const handler = make();
    open.push(handler);
    url = await serve(toNodeHandler(handler) as never);
  });

  test.each(['legacy', 'auto'] as const)('a client of the %s era', async (mode) => {
    const client = await v2Client(url, mode);
    expect(await client.callTool(echo('hi'))).toMatchObject(textResult('hi'));
    await Promise.all([client.callTool(echo('a')), client.callTool(echo('b'))]);
    await until(() => outbox.of('tools/call').length === 3, 'three calls');
    for (const event of outbox.of('tools/call')) {
      expect(event).toMatchObject({
        outcome: 'ok',
        transport: 'http',
        tool: 'echo',
        server: { name: 'v2-server', version: '2' },
        protocol_version: mode === 'auto' ? '2026-07-28' : '2025-11-25',
      });
      expect(event.arguments.text).toBe(JSON.stringify({ text: event.tags.said }));
      if (mode === 'auto') expect(event.client).toEqual({ name: 'v2-client', version: '2' });
    }
    expect(outbox.of(mode === 'auto' ? 'server/discover' : 'initialize')).toHaveLength(1);
    expect(outbox.open.size).toBe(0);
  });

  test('a metered client of 2026-07-28 is linked', async () => {
    const clients = new KeptOutbox();
    const client = await v2Client(url, 'auto', { ...options, outbox: clients });
    await client.callTool(echo('hi'));
    await until(() => outbox.of('tools/call').length === 1, 'the call');
    expect(clients.of('tools/call')[0]?.call_id).toBe(outbox.of('tools/call')[0]?.call_id);
    expect(clients.events().map((event) => event.outcome)).not.toContain('lost');
    expect(clients.open.size).toBe(0);
  });

  test.each(['legacy', 'auto'] as const)('our call id links, and no handler sees it: %s', async (mode) => {
    const clients = new KeptOutbox();
    const client = await v2Client(url, mode, { ...options, outbox: clients });
    const call = { name: 'sees', arguments: { text: '\ud800 -0 é' }, _meta: { 'com.example/own': 1.5 } };
    const { content } = await client.callTool(call);
    const seen = JSON.parse((content as { text: string }[])[0]!.text) as Record<string, unknown>;
    expect(seen).toMatchObject({ 'com.example/own': 1.5 });
    expect(Object.keys(seen)).not.toContain('io.toolmeter/call');
    await until(() => outbox.of('tools/call').length === 1, 'the call');
    expect(clients.of('tools/call')[0]?.call_id).toBe(outbox.of('tools/call')[0]?.call_id);
  });

  test('a body that came parsed: the same', async () => {
    const handler = make();
    open.push(handler);
    const [call_id, meta] = ['call-id-from-a-client', metaOf2026()];
    const params = {
      name: 'sees',
      arguments: { text: '' },
      _meta: { ...meta, 'com.example/own': 1.5, 'io.toolmeter/call': call_id },
    };
    const parsedBody = JSON.parse(rpc('tools/call', params, 1)) as unknown;
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'sees',
    };
    const request = new Request(url, { method: 'POST', headers, body: '' });
    const answer = await (await handler.fetch(request, { parsedBody })).text();
    expect(answer).toContain('com.example/own');
    expect(answer).not.toContain('io.toolmeter/call');
    await until(() => outbox.of('tools/call').length === 1, 'the call');
    expect(outbox.of('tools/call')[0]).toMatchObject({ call_id, outcome: 'ok' });
  });

  test('an aborted call is cancelled', async () => {
    const client = await v2Client(url, 'auto');
    const abort = new AbortController();
    const call = client.callTool({ name: 'hangs', arguments: { text: '' } }, { signal: abort.signal });
    await until(() => outbox.open.size > 0, 'an open call');
    abort.abort();
    await expect(call).rejects.toThrow();
    await until(() => outbox.of('tools/call').length === 1, 'its record');
    expect(outbox.of('tools/call')[0]?.outcome).toBe('cancelled');
  });

  test('a call that notifies on its way, over a stream', async () => {
    const client = await v2Client(url, 'auto');
    expect(await client.callTool({ name: 'notifies', arguments: { text: '' } })).toMatchObject(
      textResult('done'),
    );
    await until(() => outbox.of('tools/call').length === 1, 'its record');
    expect(outbox.of('tools/call')[0]).toMatchObject({ outcome: 'ok', result: { state: 'captured' } });
  });

  test.skipIf(which === 'factory')('refusals that reach no transport', async () => {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '0' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call' };
    const params = { ...echo('x'), _meta: meta };
    await post(url, rpc('tools/call', params, 1), { ...headers, 'mcp-name': 'another' });
    const unsupported = {
      ...params,
      _meta: { ...meta, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' },
    };
    await post(url, rpc('tools/call', unsupported, 2), {
      ...headers,
      'mcp-protocol-version': '2099-01-01',
      'mcp-name': 'echo',
    });
    await post(url, '{"jsonrpc":', headers);
    await post(url, rpc('tools/call', params, 3), { 'content-type': 'text/plain' });
    await until(() => outbox.ended.length === 4, 'four refusals');
    expect(outbox.events().map((event) => [event.outcome, event.error?.code, event.tool])).toEqual([
      ['protocol_error', '-32020', 'echo'],
      ['protocol_error', '-32022', 'echo'],
      ['malformed', '-32700', undefined],
      ['protocol_error', '-32000', 'echo'],
    ]);
  });

  test.skipIf(which === 'factory')('subscriptions/listen lasts as long as its stream', async () => {
    const client = await v2Client(url, 'auto');
    const abort = new AbortController();
    const body = rpc(
      'subscriptions/listen',
      { notifications: { toolsListChanged: true }, _meta: metaOf2026() },
      'listen-1',
    );
    const answer = await post(
      url,
      body,
      { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' },
      abort.signal,
    );
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    await until(() => outbox.open.size === 1, 'an open call');
    abort.abort();
    await until(() => outbox.of('subscriptions/listen').length === 1, 'its record');
    expect(outbox.of('subscriptions/listen')[0]?.outcome).toBe('cancelled');
    await client.close();
  });
});

function metaOf2026() {
  return {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
}

function rpc(method: string, params: object, id: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params });
}

function post(
  url: URL,
  body: string,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body,
    ...(signal !== undefined && { signal }),
  });
}
