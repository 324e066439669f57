import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { call, http, post, rawUpstream, result, startGateway, until } from './support.ts';

const SECRET = 'ask secret-word';

describe('an answer passes as it came', () => {
  test('status, reason, headers in their case and order, body; without those of the connection', async () => {
    const body = `{"jsonrpc":"2.0","id":9007199254740993,"result":{"n":1.0}}`;
    const upstream = await rawUpstream((socket) =>
      socket.write(
        http(
          body,
          ['X-Odd: one', 'x-ODD: two', 'Connection: keep-alive, X-Hop', 'X-Hop: 1', 'Keep-Alive: timeout=9'],
          '200 Fine',
        ),
      ),
    );
    const { url, events } = await startGateway({ servers: { a: { url: upstream.url, anonymous: true } } });
    const sent = `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"t","arguments":{"x":1.0,"s":"${SECRET}"}}}`;
    const response = await post(url('a'), sent);
    expect([response.status, response.statusText]).toEqual([200, 'Fine']);
    expect(response.headers.get('x-odd')).toBe('one, two');
    expect(response.headers.get('x-hop')).toBeNull();
    expect(response.headers.get('date')).toBeNull();
    expect(await response.text()).toBe(body);
    expect(upstream.requests[0]?.body).toBe(sent);

    const [event] = await events(1);
    expect(event).toMatchObject({
      vantage: 'gateway',
      outcome: 'ok',
      tool: 't',
      server: { name: 'a' },
      transport: 'http',
      ip: '127.0.0.1',
      request_id: { type: 'number', value: '9007199254740993' },
      arguments: { text: '{"x":1.0,"s":"ask <secret:abc>"}', source: 'wire' },
      result: { text: '{"n":1.0}', source: 'wire' },
    });
    const head = upstream.requests[0]?.head ?? '';
    expect(head).toMatch(new RegExp(`^toolmeter-call: ${event?.call_id}$`, 'm'));
    expect(head).toMatch(new RegExp(`^traceparent: ${event?.trace?.traceparent}$`, 'm'));
  });

  test('compressed bodies stay compressed, and are recorded', async () => {
    const packed = gzipSync(result(1, 'packed'));
    const upstream = await rawUpstream((socket) => socket.write(http(packed, ['Content-Encoding: gzip'])));
    const { url, events } = await startGateway({ servers: { a: { url: upstream.url, anonymous: true } } });
    const response = await post(url('a'), call());
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(response.headers.get('content-length')).toBe(String(packed.length));
    expect(await response.text()).toBe(result(1, 'packed'));
    expect((await events(1))[0]).toMatchObject({ outcome: 'ok', result: { state: 'captured' } });
  });

  test.each([
    [401, 'denied'],
    [404, 'protocol_error'],
    [429, 'rate_limited'],
    [503, 'upstream_error'],
  ])("an upstream's own %i", async (status, outcome) => {
    const upstream = await rawUpstream((socket) =>
      socket.write(http('{"no":"rpc"}', ['WWW-Authenticate: Bearer scope="x"'], `${status} Odd`)),
    );
    const { url, events } = await startGateway({ servers: { a: { url: upstream.url, anonymous: true } } });
    const response = await post(url('a'), call());
    expect(response.status).toBe(status);
    expect(response.headers.get('www-authenticate')).toBe('Bearer scope="x"');
    expect(await response.text()).toBe('{"no":"rpc"}');
    expect((await events(1))[0]).toMatchObject({ outcome, error: { code: `http_${status}` } });
  });

  test('an event stream comes event by event, each when it is sent', async () => {
    let next: () => void = () => {};
    const upstream = await rawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
      socket.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n');
      next = () => socket.end(`event: message\ndata: ${result()}\n\n`);
    });
    const { url, events, gateway } = await startGateway({
      servers: { a: { url: upstream.url, anonymous: true } },
    });
    const response = await post(url('a'), call());
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    expect(Buffer.from(first.value as Uint8Array).toString()).toContain('notifications/message');
    next();
    const second = await reader.read();
    expect(Buffer.from(second.value as Uint8Array).toString()).toBe(`event: message\ndata: ${result()}\n\n`);
    expect((await reader.read()).done).toBe(true);
    expect((await events(1))[0]).toMatchObject({ outcome: 'ok', result: { state: 'captured' } });
    expect(gateway.active).toBe(0);
  });

  test("a client that goes away takes the upstream's answer with it", async () => {
    const upstream = await rawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n');
    });
    const { url, events } = await startGateway({ servers: { a: { url: upstream.url, anonymous: true } } });
    const aborter = new AbortController();
    const response = await fetch(url('a'), { method: 'POST', body: call(), signal: aborter.signal });
    expect(upstream.sockets.size).toBe(1);
    aborter.abort();
    await response.text().catch(() => {});
    await until(() => upstream.sockets.size === 0, 'the end of the connection to the upstream');
    expect((await events(1))[0]).toMatchObject({ outcome: 'disconnected' });
  });

  test('a slow reader holds the upstream back', async () => {
    let taken = 0;
    const upstream = await rawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n');
      const chunk = Buffer.alloc(64 * 1024, 0x20);
      const more = (): void => {
        while (taken < 4_000) {
          taken++;
          if (!socket.write(chunk)) {
            socket.once('drain', more);
            return;
          }
        }
        socket.end(result());
      };
      more();
    });
    const { url, events } = await startGateway({ servers: { a: { url: upstream.url, anonymous: true } } });
    const response = await post(url('a'), call());
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    let before = -1;
    // What the sockets on the way hold is taken; then nothing more.
    while (taken !== before) {
      before = taken;
      await new Promise((next) => setTimeout(next, 100));
    }
    expect(taken).toBeLessThan(2_000);
    let bytes = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length;
    expect(bytes).toBeGreaterThan(200 * 1024 * 1024);
    expect((await events(1))[0]).toMatchObject({ outcome: 'ok', result: { state: 'omitted' } });
  });
});
