import { PassThrough } from 'node:stream';
import { McpServer } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type MeterOptions, meter, meterTransport, tag } from '../../../collectors/sdk/index.ts';
import { KeptOutbox, testCapture } from '../rpc/support.ts';
import { until } from './sdks.ts';

/**
 * v2's `serveStdio` decides the era before it asks its factory for a server, and serves `subscriptions/listen` itself:
 * what it refuses there, and what it serves there, only the transport on the wire sees.
 */
let outbox: KeptOutbox;
let options: MeterOptions;
let close: () => Promise<void> = async () => {};
beforeEach(() => {
  outbox = new KeptOutbox();
  options = { outbox, capture: testCapture, server: 'served' };
});
afterEach(() => close());

function factory(): McpServer {
  const server = new McpServer({ name: 'served', version: '1' });
  server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, async ({ text }) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    tag('said', text);
    return { content: [{ type: 'text', text }] };
  });
  return server;
}

const meta = (version = '2026-07-28') => ({
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '0' },
  'io.modelcontextprotocol/clientCapabilities': {},
});

/** Serves, and gives what answers have come and how to say something. */
function serve(make: () => McpServer, wrap: <T extends object>(wire: T) => T, legacy: 'serve' | 'reject') {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  let out = '';
  stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  const handle = serveStdio(make, { transport: wrap(new StdioServerTransport(stdin, stdout)), legacy });
  close = () => handle.close();
  return {
    say(id: unknown, method: string, params: object = {}) {
      stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    },
    answers: () => out.split('\n').filter(Boolean).length,
  };
}

describe.each([
  ['the wire', (make: () => McpServer) => make],
  ['the wire and the factory', (make: () => McpServer) => meter(make, options)],
])('metered: %s', (which, metered) => {
  const wire = <T extends object>(transport: T): T => meterTransport(transport, options);

  test('what is refused before the era is settled', async () => {
    const { say, answers } = serve(metered(factory), wire, 'reject');
    say(1, 'tools/list', { _meta: meta('2099-01-01') });
    say(2, 'tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } });
    say(3, 'initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'old', version: '1' },
    });
    await until(() => answers() === 3, 'three answers');
    expect(outbox.events().map(({ method, outcome, error }) => [method, outcome, error?.code])).toEqual([
      ['tools/list', 'protocol_error', '-32022'],
      ['tools/list', 'protocol_error', '-32602'],
      ['initialize', 'protocol_error', '-32022'],
    ]);
    for (const event of outbox.events())
      expect(event).toMatchObject({ server: { name: 'served' }, transport: 'stdio' });
  });

  test('subscriptions/listen; and calls, once each; a metered server’s with the tags of their own', async () => {
    const { say, answers } = serve(metered(factory), wire, 'serve');
    say(0, 'server/discover', { _meta: meta() });
    for (const id of [1, 2, 3])
      say(id, 'tools/call', { name: 'echo', arguments: { text: `n${id}` }, _meta: meta() });
    say(4, 'subscriptions/listen', { notifications: { toolsListChanged: true }, _meta: meta() });
    await until(() => outbox.of('tools/call').length === 3 && answers() >= 5, 'all answers');
    for (const event of outbox.of('tools/call')) {
      expect(event.outcome).toBe('ok');
      if (which !== 'the wire') expect(event.tags).toEqual({ said: `n${event.request_id?.value}` });
    }
    expect(outbox.of('server/discover')).toHaveLength(1);
    expect(outbox.open.size).toBe(1);
    await close();
    await until(() => outbox.open.size === 0, 'the end of the stream');
    expect(outbox.of('subscriptions/listen')).toMatchObject([{ request_id: { value: '4' } }]);
    expect(outbox.ended).toHaveLength(5);
  });
});
