import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { GatewaySchema } from '../../../schemas/gateway.ts';
import { call, http, post, type RawRequest, rawUpstream, result, startGateway, until } from './support.ts';

type Config = z.input<typeof GatewaySchema>;

/** A gateway before an upstream of bytes; `a` takes anybody. */
async function inFrontOf(
  answer: (socket: Socket, request: RawRequest) => void,
  config: Omit<Config, 'servers'> = {},
) {
  const upstream = await rawUpstream(answer);
  const through = await startGateway({ servers: { a: { url: upstream.url, anonymous: true } }, ...config });
  return { upstream, ...through };
}

const fine = (socket: Socket): void => void socket.write(http(result()));

/** What `a` still does after whatever a test did to it. */
async function goesOn(url: string): Promise<void> {
  const response = await post(url, call(1, 'still'));
  expect([response.status, await response.text()]).toEqual([200, result()]);
}

describe("a request that is wrong gets an error in the protocol's own form", () => {
  test.each([
    ['not JSON', '{"jsonrpc":', {}, 400, -32700],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), {}, 400, -32700],
    ['no message', '"text"', {}, 400, -32600],
    ['an empty batch', '[]', {}, 400, -32600],
    ['a batch of a revision without', `[${call()}]`, { 'mcp-protocol-version': '2025-06-18' }, 400, -32600],
    ['a name twice', call().replace('"name":', '"name":"safe","name":'), {}, 400, -32600],
    ['a name twice, one escaped', call().replace('"name":', '"n\\u0061me":"safe","name":'), {}, 400, -32600],
    ['a name in capitals too', call().replace('"name":', '"Name":"other","name":'), {}, 400, -32600],
    ['a method in capitals', call().replace('"method"', '"METHOD"'), {}, 400, -32600],
    ['compressed', call(), { 'content-encoding': 'gzip' }, 415, -32600],
    [
      'another method in the header',
      call(),
      { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'ping' },
      400,
      -32020,
    ],
    [
      'another tool in the header',
      call(),
      { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'other' },
      400,
      -32020,
    ],
    [
      'a name that is badly encoded',
      call(),
      { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': '=?base64?!?=' },
      400,
      -32020,
    ],
  ])('%s', async (_what, body, headers, status, code) => {
    const { url, events, upstream } = await inFrontOf(fine);
    const response = await post(url('a'), body as string, headers as Record<string, string>);
    const answer = (await response.json()) as { error: unknown } | { error: unknown }[];
    expect(response.status).toBe(status);
    expect([answer].flat()[0]?.error).toMatchObject({ code });
    expect((await events(1))[0]).toMatchObject({ outcome: 'malformed', server: { name: 'a' } });
    expect(upstream.requests).toEqual([]);
    await goesOn(url('a'));
  });

  test('headers of revision 2026-07-28 that say what the body says pass', async () => {
    const { url, upstream } = await inFrontOf(fine);
    const name = `=?base64?${Buffer.from('größe').toString('base64')}?=`;
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name };
    expect((await post(url('a'), call(1, 'größe'), headers)).status).toBe(200);
    expect(upstream.requests[0]?.head).toContain(`mcp-name: ${name}`);
  });

  test('a body over the limit, said or unsaid, is not read to its end', async () => {
    const { url, events } = await inFrontOf(fine, { max_body_bytes: 1024 });
    const said = await raw(url('a'), `content-length: ${100 * 1024 * 1024}\r\n`, 'x');
    expect(said).toContain('413 Payload Too Large');
    const unsaid = await raw(url('a'), 'transfer-encoding: chunked\r\n', `800\r\n${'x'.repeat(0x800)}\r\n`);
    expect(unsaid).toContain('"code":-32600');
    const found = await events(2);
    expect(found.map(({ outcome, error }) => [outcome, error?.code])).toEqual([
      ['malformed', 'http_413'],
      ['malformed', 'http_413'],
    ]);
    await goesOn(url('a'));
  });

  test('a client that sends its request drop by drop is cut off', async () => {
    const { url, events } = await inFrontOf(fine, { timeouts: { request_ms: 200 } });
    expect(await raw(url('a'), 'content-length: 100\r\n', '{"json')).toContain('408 Request Timeout');
    expect((await events(1))[0]).toMatchObject({ outcome: 'malformed', error: { code: 'http_408' } });
    await goesOn(url('a'));
  });

  test('what is no HTTP', async () => {
    const { url, events, gateway } = await inFrontOf(fine);
    expect(await bytes(gateway.url, 'hello\r\n\r\n')).toContain('400 Bad Request');
    expect((await events(1))[0]).toMatchObject({
      outcome: 'malformed',
      method: 'http/unknown',
      ip: '127.0.0.1',
    });
    await goesOn(url('a'));
  });

  test.each([
    ['GET', '/servers/none/mcp', {}, 404],
    ['GET', '/', {}, 404],
    ['PUT', '/servers/a/mcp', {}, 405],
    ['POST', '/servers/a/mcp', { host: 'evil.example' }, 403],
    ['POST', '/servers/a/mcp', { origin: 'https://evil.example' }, 403],
  ])('%s %s %o is %i', async (method, path, headers, status) => {
    const { gateway, events, upstream } = await inFrontOf(fine);
    const head = Object.entries({ host: '127.0.0.1', ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const answer = await bytes(
      gateway.url,
      `${method} ${path} HTTP/1.1\r\n${head.join('')}content-length: 0\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect((await events(1))[0]?.outcome).toBe(status === 403 ? 'denied' : 'malformed');
    expect(upstream.requests).toEqual([]);
  });
});

describe('an upstream that goes wrong', () => {
  const short = { call_ms: 300, first_byte_ms: 300, idle_ms: 300 };

  test('cannot be reached', async () => {
    const { url, events } = await startGateway({
      servers: { a: { url: 'http://127.0.0.1:1/mcp', anonymous: true } },
    });
    const response = await post(url('a'), call('x'));
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', id: 'x', error: { code: -32000 } });
    expect((await events(1))[0]).toMatchObject({
      outcome: 'upstream_error',
      error: { code: 'ECONNREFUSED' },
    });
  });

  test('never answers', async () => {
    const { url, events, upstream } = await inFrontOf(() => {}, { timeouts: short });
    const response = await post(url('a'), call(7));
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ id: 7, error: { code: -32001 } });
    expect((await events(1))[0]).toMatchObject({ outcome: 'timeout', error: { code: 'call' } });
    await until(() => upstream.sockets.size === 0, 'the end of the connection');
  });

  test('stalls in the middle of an event stream: an event ends the call', async () => {
    const { url, events } = await inFrontOf(
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: begun\n\n'),
      { timeouts: short },
    );
    const text = await (await post(url('a'), call(7))).text();
    expect(text).toMatch(
      /^: begun\n\nevent: message\ndata: \{"jsonrpc":"2.0","id":7,"error":\{"code":-32001,.*\}\n\n$/,
    );
    expect((await events(1))[0]).toMatchObject({ outcome: 'timeout' });
  });

  test('stalls in the middle of an event: the connection ends, not the event', async () => {
    const { url, events } = await inFrontOf(
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"json'),
      { timeouts: short },
    );
    await expect((await post(url('a'), call(7))).text()).rejects.toThrow();
    expect((await events(1))[0]).toMatchObject({ outcome: 'timeout' });
  });

  test('shows progress for longer than a call may take', async () => {
    const { url, events } = await inFrontOf(
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
        let left = 6;
        const timer = setInterval(() => {
          if (left-- > 0)
            socket.write(
              'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}\n\n',
            );
          else {
            clearInterval(timer);
            socket.end(`data: ${result(7)}\n\n`);
          }
        }, 100);
      },
      { timeouts: short },
    );
    expect(await (await post(url('a'), call(7))).text()).toContain(result(7));
    expect((await events(1))[0]).toMatchObject({ outcome: 'ok' });
  });

  test('shows progress for ever', async () => {
    const { url, events } = await inFrontOf(
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
        const timer = setInterval(
          () => socket.write('data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n'),
          50,
        );
        socket.once('close', () => clearInterval(timer));
      },
      { timeouts: { ...short, call_max_ms: 500 } },
    );
    expect(await (await post(url('a'), call(7))).text()).toContain('"code":-32001');
    expect((await events(1))[0]).toMatchObject({ outcome: 'timeout' });
  });

  test('closes early', async () => {
    const { url, events } = await inFrontOf((socket) => socket.end(http(result()).subarray(0, -5)));
    await expect((await post(url('a'), call())).text()).rejects.toThrow();
    expect((await events(1))[0]).toMatchObject({ outcome: 'upstream_error' });
  });

  test('answers a wrong id: what it said passes, the call has no answer', async () => {
    const { url, events } = await inFrontOf((socket) => socket.write(http(result(2))));
    expect(await (await post(url('a'), call(1))).text()).toBe(result(2));
    expect((await events(1))[0]).toMatchObject({ outcome: 'upstream_error', error: { code: 'http_200' } });
  });

  test('answers twice: the first counts, both pass', async () => {
    const twice = `data: ${result(1, 'a')}\n\ndata: {"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"b"}}\n\n`;
    const { url, events } = await inFrontOf((socket) =>
      socket.write(http(twice, ['Content-Type: text/event-stream'])),
    );
    expect(await (await post(url('a'), call(1))).text()).toBe(twice);
    expect((await events(1)).map(({ outcome }) => outcome)).toEqual(['ok']);
  });

  test('sends invalid UTF-8: the bytes pass', async () => {
    const body = Buffer.concat([
      Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"x":"'),
      Buffer.from([0xff, 0xc0]),
      Buffer.from('"}}'),
    ]);
    const { url, events } = await inFrontOf((socket) => socket.write(http(body)));
    expect(Buffer.from(await (await post(url('a'), call())).arrayBuffer())).toEqual(body);
    expect((await events(1))[0]).toMatchObject({ outcome: 'ok', result: { text: '{"x":"\ufffd\ufffd"}' } });
  });

  test("sends a redirect: it is not followed, and not passed on with the caller's key", async () => {
    const { url, events } = await inFrontOf((socket) =>
      socket.write(http('', ['Location: http://127.0.0.1:1/elsewhere'], '307 Temporary Redirect')),
    );
    const response = await post(url('a'), call());
    expect(response.status).toBe(502);
    expect(response.headers.get('location')).toBeNull();
    expect(await response.json()).toMatchObject({ id: 1, error: { code: -32000 } });
    expect((await events(1))[0]).toMatchObject({ outcome: 'upstream_error', error: { code: 'http_307' } });
  });

  test('does not speak HTTP', async () => {
    const { url, events } = await inFrontOf((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
    expect((await post(url('a'), call())).status).toBe(502);
    expect((await events(1))[0]).toMatchObject({ outcome: 'upstream_error' });
  });

  test('says a body is compressed that is not: it passes, and the record says less', async () => {
    const { gateway, events } = await inFrontOf((socket) =>
      socket.write(http(result(), ['Content-Encoding: gzip'])),
    );
    const body = call();
    const answer = await bytes(
      gateway.url,
      `POST /servers/a/mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    expect(answer).toContain(result());
    expect(await events(1)).toHaveLength(1);
  });

  test('sends a result over what is read for the record', async () => {
    const big = result(1, 'x'.repeat(100_000));
    const { url, events } = await inFrontOf(
      (socket, { body }) =>
        socket.write(
          body.includes('"s"') ? http(`data: ${big}\n\n`, ['Content-Type: text/event-stream']) : http(big),
        ),
      { max_record_bytes: 2048 },
    );
    expect(await (await post(url('a'), call(1, 'j'))).text()).toBe(big);
    expect(await (await post(url('a'), call(1, 's'))).text()).toBe(`data: ${big}\n\n`);
    const bytesOf = Buffer.byteLength(JSON.stringify(JSON.parse(big).result));
    for (const event of await events(2))
      expect(event).toMatchObject({ outcome: 'ok', result: { state: 'omitted', bytes: bytesOf } });
  });
});

/** POSTs by hand, and resolves to what came until the connection ended. */
function raw(url: string, headers: string, body: string): Promise<string> {
  const { pathname } = new URL(url);
  return bytes(url, `POST ${pathname} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n${body}`);
}

function bytes(url: string, text: string): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    let out = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      out += chunk.toString('latin1');
    });
    socket.on('error', (error) => (out === '' ? reject(error) : resolve(out)));
    socket.on('close', () => resolve(out));
  });
}
