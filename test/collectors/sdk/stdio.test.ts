import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ObservedCall } from '../../../schemas/call-event.ts';
import { checkCallEvent } from '../../../schemas/read-call-event.ts';
import { until } from './sdks.ts';

/** An ingest that takes everything, and what it took. */
let ingest: Server;
let home: string;
let url: string;
const events: ObservedCall[] = [];

beforeEach(async () => {
  events.length = 0;
  home = mkdtempSync(join(tmpdir(), 'toolmeter-sdk-'));
  ingest = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const lines = body.split('\n').filter((line) => line !== '');
    for (const line of lines) {
      const { event } = JSON.parse(line) as { event?: unknown };
      if (event === undefined) continue;
      const checked = checkCallEvent(event);
      if ('problem' in checked) throw new Error(checked.problem.message);
      events.push(checked as ObservedCall);
    }
    response.writeHead(202, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ accepted: lines.length }));
  });
  await new Promise<void>((resolve) => ingest.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(ingest.address() as AddressInfo).port}`;
});
afterEach(async () => {
  ingest.closeAllConnections();
  await new Promise((resolve) => ingest.close(resolve));
  rmSync(home, { recursive: true, force: true });
});

const child = (sdk: string, env: Record<string, string> = {}) => ({
  command: process.execPath,
  args: [fileURLToPath(new URL('stdio-server.ts', import.meta.url)), sdk],
  env: { ...(process.env as Record<string, string>), TOOLMETER_HOME: home, TOOLMETER_URL: url, ...env },
});

test.each([
  ['v1', '2025-11-25', () => new ClientV1({ name: 'c', version: '1' }), StdioV1],
  ['v2', '2025-11-25', () => new ClientV2({ name: 'c', version: '1' }), StdioV2],
  [
    'v2',
    '2026-07-28',
    () => new ClientV2({ name: 'c', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } }),
    StdioV2,
  ],
])(
  'a server on stdio with %s, %s: its calls arrive through the spool',
  async (sdk, version, make, Transport) => {
    const client = make();
    await client.connect(new Transport(child(sdk)) as never);
    expect(
      await client.callTool({ name: 'echo', arguments: { text: 'mail me: ada@example.org' } }),
    ).toMatchObject({
      content: [{ type: 'text', text: 'mail me: ada@example.org' }],
    });
    await until(() => events.some((event) => event.method === 'tools/call'), 'the event');
    await client.close();
    const call = events.find((event) => event.method === 'tools/call');
    expect(call).toMatchObject({
      outcome: 'ok',
      durable: true,
      transport: 'stdio',
      protocol_version: version,
      server: { name: `stdio-${sdk}` },
      caller: { source: 'os_user', verified: true },
      client: { name: 'c', version: '1' },
    });
    // Personal data does not leave the process.
    expect(call?.arguments.text).toMatch(/^\{"text":"mail me: <email:[^>]+>"\}$/);
    expect(call?.arguments.scrub?.findings).toEqual({ email: 1 });
    expect(call?.arguments.hash?.value).toHaveLength(43);
    expect(call?.nested).toBeUndefined();
  },
);

test('inside a wrap it is nested, and derives its call ids', async () => {
  const client = new ClientV1({ name: 'c', version: '1' });
  await client.connect(new StdioV1(child('v1', { TOOLMETER_WRAP_NONCE: 'nonce-1' })));
  await client.callTool({ name: 'echo', arguments: { text: 'x' } });
  await until(() => events.some((event) => event.method === 'tools/call'), 'the event');
  await client.close();
  for (const event of events) {
    expect(event.nested).toBe(true);
    expect(event.call_id).toHaveLength(43);
  }
});
