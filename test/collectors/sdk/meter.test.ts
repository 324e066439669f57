import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type MeterOptions, meter, meterClient, meterTransport, tag } from '../../../collectors/sdk/index.ts';
import { KeptOutbox, testCapture } from '../rpc/support.ts';
import { type Sdk, sdks, type TestClient, type TestServer, textResult, until } from './sdks.ts';

let outbox: KeptOutbox;
let options: MeterOptions;

beforeEach(() => {
  outbox = new KeptOutbox();
  options = { outbox, capture: testCapture };
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function echoServer(sdk: Sdk): TestServer {
  const server = sdk.server();
  server.tool('echo', ({ text }) => textResult(text));
  server.tool('fails', () => ({ ...textResult('it failed'), isError: true }));
  server.tool('throws', () => {
    throw new Error('it threw');
  });
  server.tool('hangs', () => new Promise(() => {}));
  return server;
}

async function connected(sdk: Sdk, server: TestServer, client: TestClient): Promise<unknown> {
  const [clientSide, serverSide] = sdk.link();
  await Promise.all([server.raw.connect(serverSide as never), client.connect(clientSide)]);
  return serverSide;
}

/** Outcome of each `tools/call`, by tool. */
const outcomes = () =>
  outbox.events().flatMap((event) => (event.tool === undefined ? [] : [[event.tool, event.outcome]]));

describe.each(sdks)('$name', (sdk) => {
  let server: TestServer;
  let client: TestClient;

  beforeEach(() => {
    server = echoServer(sdk);
    client = sdk.client();
  });
  afterEach(async () => {
    await client.close();
    await server.raw.close();
  });

  test('every request and its outcome, and the results as they are', async () => {
    expect(meter(server.raw, options)).toBe(server.raw);
    await connected(sdk, server, client);
    await client.list();
    expect(await client.call('echo', { text: 'hi' })).toEqual(textResult('hi'));
    expect(await client.call('fails', { text: '' })).toMatchObject({ isError: true });
    expect(await client.call('throws', { text: '' })).toMatchObject({ isError: true });
    await client.call('echo', { text: 7 }).catch(() => {});
    await client.call('unknown', { text: '' }).catch(() => {});
    expect(outbox.events().map((event) => event.method)).toEqual([
      'initialize',
      'tools/list',
      ...Array.from({ length: 5 }, () => 'tools/call'),
    ]);
    const [, , echo, fails, throws, invalid, unknown] = outbox.events();
    expect(echo).toMatchObject({
      tool: 'echo',
      outcome: 'ok',
      transport: 'memory',
      vantage: 'server',
      server: { name: 'test-server', version: '1.2.3' },
      client: { name: 'test-client', version: '4.5.6' },
      caller: { source: 'os_user', verified: true },
      arguments: { state: 'captured', source: 'reserialized', text: '{"text":"hi"}' },
      result: { state: 'captured', text: '{"content":[{"type":"text","text":"hi"}]}' },
    });
    expect(fails).toMatchObject({ outcome: 'tool_error', error: { text: 'it failed' } });
    expect(throws).toMatchObject({ outcome: 'tool_error', error: { text: 'it threw' } });
    // A schema failure and an unknown tool never reach a handler; SDKs differ in how they answer.
    for (const event of [invalid, unknown]) {
      expect(event?.outcome).toMatch(/^(tool_error|protocol_error)$/);
      expect(event?.error?.text).toBeTruthy();
    }
    expect(outbox.open.size).toBe(0);
  });

  test('tools registered after metering and after connecting', async () => {
    meter(server.raw, options);
    server.tool('early', () => textResult('1'));
    await connected(sdk, server, client);
    server.tool('late', () => textResult('2'));
    await client.call('early', { text: '' });
    await client.call('late', { text: '' });
    expect(outcomes()).toEqual([
      ['early', 'ok'],
      ['late', 'ok'],
    ]);
  });

  test('metered after it was connected', async () => {
    await connected(sdk, server, client);
    meter(server.raw, options);
    await client.call('echo', { text: '' });
    expect(outcomes()).toEqual([['echo', 'ok']]);
  });

  test('metering twice, the transport too, has no effect', async () => {
    meter(meter(server.raw, options), options);
    const [clientSide, serverSide] = sdk.link();
    meterTransport(serverSide as object, options);
    await Promise.all([server.raw.connect(serverSide as never), client.connect(clientSide)]);
    await client.call('echo', { text: '' });
    expect(outcomes()).toEqual([['echo', 'ok']]);
  });

  test('a transport alone', async () => {
    const [clientSide, serverSide] = sdk.link();
    meterTransport(serverSide as object, options);
    await Promise.all([server.raw.connect(serverSide as never), client.connect(clientSide)]);
    await client.call('echo', { text: '' });
    expect(outcomes()).toEqual([['echo', 'ok']]);
  });

  test('requests that arrive while connecting', async () => {
    meter(server.raw, options);
    const [clientSide, serverSide] = sdk.link();
    const connecting = client.connect(clientSide);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await server.raw.connect(serverSide as never);
    await connecting;
    expect(outbox.of('initialize')).toHaveLength(1);
  });

  test('handlers that were on the transport before are still called, once', async () => {
    meter(server.raw, options);
    const [clientSide, serverSide] = sdk.link();
    const seen: unknown[] = [];
    let closed = 0;
    const transport = serverSide as { onmessage: unknown; onclose: unknown };
    transport.onmessage = (message: { method?: string }) => seen.push(message.method);
    transport.onclose = () => closed++;
    await Promise.all([server.raw.connect(serverSide as never), client.connect(clientSide)]);
    await client.call('echo', { text: '' });
    await client.close();
    expect(seen.filter((method) => method === 'tools/call')).toHaveLength(1);
    expect(closed).toBe(1);
    expect(outcomes()).toEqual([['echo', 'ok']]);
  });

  test('cancelled', async () => {
    meter(server.raw, options);
    await connected(sdk, server, client);
    const abort = new AbortController();
    const call = client.call('hangs', { text: '' }, { signal: abort.signal });
    await new Promise((resolve) => setTimeout(resolve, 10));
    abort.abort('enough');
    await expect(call).rejects.toThrow();
    await client.close();
    expect(outcomes()).toEqual([['hangs', 'cancelled']]);
  });

  test('open at the disconnect', async () => {
    meter(server.raw, options);
    await connected(sdk, server, client);
    const call = client.call('hangs', { text: '' });
    call.catch(() => {});
    await until(() => outbox.open.size > 0, 'an open call');
    await client.close();
    await expect(call).rejects.toThrow();
    expect(outcomes()).toEqual([['hangs', 'disconnected']]);
    expect(outbox.open.size).toBe(0);
  });

  test('tag() in a handler, also after awaiting, and for its own call only', async () => {
    server.tool('tags', async ({ text }) => {
      tag('early', text);
      await new Promise((resolve) => setTimeout(resolve, 5));
      tag('late', text);
      return textResult(text);
    });
    meter(server.raw, { ...options, tags: { team: 'search' } });
    await connected(sdk, server, client);
    await Promise.all(['a', 'b', 'c'].map((text) => client.call('tags', { text })));
    tag('outside', 'nothing');
    expect(outbox.of('tools/call').map((event) => event.tags)).toEqual(
      ['a', 'b', 'c'].map((text) => ({ early: text, late: text, team: 'search' })),
    );
  });

  test('a metered client: its own record, linked to the server’s by one call id', async () => {
    let seen: unknown;
    server.tool('meta', (_, extra) => {
      seen = extra;
      return textResult('');
    });
    meter(server.raw, options);
    const clients = new KeptOutbox();
    meterClient(client.raw, { ...options, outbox: clients, model: 'gpt-4o' });
    await connected(sdk, server, client);
    await client.call('meta', { text: '' });
    const [own] = clients.of('tools/call');
    const [other] = outbox.of('tools/call');
    expect(own).toMatchObject({
      vantage: 'client',
      outcome: 'ok',
      model: { name: 'gpt-4o', source: 'reported' },
    });
    expect(own?.call_id).toBe(other?.call_id);
    expect(own?.server.name).toBe('test-server');
    expect(JSON.stringify(metaOf(seen))).not.toContain('toolmeter');
    expect(clients.of('initialize')).toHaveLength(1);
  });

  test('a client’s timeout', async () => {
    meterClient(client.raw, options);
    await connected(sdk, server, client);
    await expect(client.call('hangs', { text: '' }, { timeout: 20 })).rejects.toThrow();
    await client.close();
    expect(outcomes()).toEqual([['hangs', 'timeout']]);
  });

  test('a call made inside a handler is linked to the call that it is part of', async () => {
    const inner = echoServer(sdk);
    const innerClient = sdk.client();
    const clients = new KeptOutbox();
    meterClient(innerClient.raw, { ...options, outbox: clients });
    await connected(sdk, inner, innerClient);
    server.tool('outer', async () => (await innerClient.call('echo', { text: 'x' })) as never);
    meter(server.raw, options);
    await connected(sdk, server, client);
    await client.call('outer', { text: '' });
    expect(clients.of('tools/call')[0]?.links?.parent_call_id).toBe(outbox.of('tools/call')[0]?.call_id);
    await innerClient.close();
  });

  test('a factory: each product is metered, sync and async', async () => {
    const plain = meter(() => echoServer(sdk).raw, options);
    const slow = meter(async () => echoServer(sdk).raw, options);
    expect(meter(plain, options)).toBe(plain);
    for (const made of [plain(), await slow()]) {
      const one = sdk.client();
      const [clientSide, serverSide] = sdk.link();
      await Promise.all([made.connect(serverSide as never), one.connect(clientSide)]);
      await one.call('echo', { text: '' });
      await one.close();
    }
    expect(outcomes()).toEqual([
      ['echo', 'ok'],
      ['echo', 'ok'],
    ]);
  });

  test('TOOLMETER_DISABLED: the same object back, and nothing recorded', async () => {
    vi.stubEnv('TOOLMETER_DISABLED', '1');
    const factory = () => server.raw;
    expect(meter(factory, options)).toBe(factory);
    expect(meter(server.raw, options)).toBe(server.raw);
    expect(
      Object.hasOwn(('server' in server.raw ? server.raw.server : server.raw) as object, 'connect'),
    ).toBe(false);
    meterClient(client.raw, options);
    await connected(sdk, server, client);
    await client.call('echo', { text: '' });
    expect(outbox.ended).toHaveLength(0);
  });

  test('an outbox that throws is not the host’s trouble, and not silent', async () => {
    const warnings: string[] = [];
    const log = {
      debug() {},
      info() {},
      error() {},
      warn: (_: object, message: string) => void warnings.push(message),
    };
    const broken = new KeptOutbox();
    broken.begin = broken.end = () => {
      throw new Error('no room');
    };
    meter(server.raw, { ...options, outbox: broken, log });
    await connected(sdk, server, client);
    expect(await client.call('echo', { text: 'hi' })).toEqual(textResult('hi'));
    await client.close();
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings[0]).toContain('no room');
  });
});

test('what can’t be metered comes back, and is said', () => {
  const warnings: object[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void warnings.push(fields) };
  for (const wrong of [
    {},
    null,
    undefined,
    7,
    'server',
    Object.freeze({ connect() {}, setRequestHandler() {} }),
  ])
    expect(meter(wrong, { ...options, log })).toBe(wrong);
  expect(warnings).toHaveLength(6);
  expect(warnings[0]).toMatchObject({ code: 'TM_METER' });
});

/** `_meta` of the request, where each SDK hands it to a handler. */
function metaOf(extra: unknown): unknown {
  const fields = extra as { _meta?: unknown; mcpReq?: { _meta?: unknown } };
  return [fields._meta, fields.mcpReq?._meta];
}
