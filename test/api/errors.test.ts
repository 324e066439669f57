import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StoreQueries } from '../../api/queries.ts';
import { ToolmeterError } from '../../core/errors.ts';
import { StoreError } from '../../store/errors.ts';
import { MAX_BODY_BYTES, type TestServer, testBackends } from './server.ts';

let backends: Awaited<ReturnType<typeof testBackends>>;
let server: TestServer;
beforeAll(async () => {
  backends = await testBackends();
  server = await backends.start();
});
afterAll(() => backends.close());

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  const body = (await response.json()) as Record<string, unknown>;
  expect(body.status).toBe(response.status);
  expect(body.type).toBe(`urn:toolmeter:problem:${body.code}`);
  expect(body.instance).toBe(`urn:uuid:${response.headers.get('x-request-id')}`);
  expect(JSON.stringify(body)).not.toMatch(/\bat .*\.(ts|js):\d+/);
  return body;
}

describe('parameters: which one, and why', () => {
  test.each([
    ['/v1/spend?limit=0', 'limit'],
    ['/v1/spend?limit=ten', 'limit'],
    ['/v1/spend?group_by=teem', 'group_by'],
    ['/v1/spend?from=yesterday', 'from'],
    ['/v1/spend?from=2026-13-01', 'from'],
    ['/v1/spend?from=2026-03-02&to=2026-03-01', 'from'],
    ['/v1/spend?teem=x', 'teem'],
    ['/v1/spend?__proto__=x', '__proto__'],
    ['/v1/spend?constructor=x', 'constructor'],
    ['/v1/spend?limit=1&limit=2', 'limit'],
    ['/v1/calls?outcome=fine', 'outcome'],
    ['/v1/calls?counted=maybe', 'counted'],
    ['/v1/calls?vantage=a&vantage=b', 'vantage'],
    ['/v1/latency?bucket_s=-1', 'bucket_s'],
    ['/v1/dead-letters?code=x', 'code'],
  ])('%s', async (path, parameter) => {
    const response = await server.get(path);
    expect(response.status).toBe(400);
    const body = await problemOf(response);
    expect(body.code).toBe('TM_PARAMETER_INVALID');
    expect(body.errors).toEqual([{ parameter, message: expect.any(String) }]);
  });

  test('a cursor that is not ours', async () => {
    const body = await problemOf(await server.get('/v1/calls?cursor=AAAA'));
    expect(body).toMatchObject({ status: 400, code: 'TM_CURSOR_INVALID' });
  });
});

describe('paths, methods and formats', () => {
  test('there is no such path', async () => {
    expect(await problemOf(await server.get('/v1/nothing'))).toMatchObject({
      code: 'TM_NOT_FOUND',
      status: 404,
    });
  });

  test.each([
    ['DELETE', '/v1/spend', 'GET, HEAD'],
    ['PUT', '/v1/events', 'POST'],
    ['GET', '/v1/events', 'POST'],
    ['POST', '/v1/calls/x', 'GET, HEAD'],
  ])('%s %s has another method', async (method, path, allow) => {
    const response = await fetch(`${server.url}${path}`, { method });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await problemOf(response)).toMatchObject({ code: 'TM_METHOD_NOT_ALLOWED', status: 405 });
  });

  test('an answer in a format that there is not', async () => {
    const response = await server.get('/v1/completeness', { accept: 'text/csv' });
    expect(await problemOf(response)).toMatchObject({ code: 'TM_NOT_ACCEPTABLE', status: 406 });
  });

  test('a path that is not percent-encoding', async () => {
    expect(await problemOf(await server.get('/v1/calls/%zz'))).toMatchObject({ status: 400 });
  });

  test('a body that is too large, of an unknown type, of an unknown encoding', async () => {
    const large = await server.post(Buffer.alloc(MAX_BODY_BYTES + 1, 32), 'application/json');
    expect(await problemOf(large)).toMatchObject({ code: 'TM_BODY_TOO_LARGE', status: 413 });
    const type = await server.post('a=b', 'application/x-www-form-urlencoded');
    expect(await problemOf(type)).toMatchObject({ code: 'TM_MEDIA_TYPE', status: 415 });
    const encoding = await server.post('[]', 'application/json', { 'content-encoding': 'br' });
    expect(await problemOf(encoding)).toMatchObject({ code: 'TM_MEDIA_TYPE', status: 415 });
    const charset = await server.post('[]', 'application/json; charset=latin1');
    expect(await problemOf(charset)).toMatchObject({ code: 'TM_MEDIA_TYPE', status: 415 });
  });

  test('a small body that unpacks to a large one', async () => {
    const bomb = gzipSync(Buffer.alloc(MAX_BODY_BYTES * 20, 32));
    expect(bomb.length).toBeLessThan(100_000);
    const response = await server.post(bomb, 'application/json', { 'content-encoding': 'gzip' });
    expect(await problemOf(response)).toMatchObject({ code: 'TM_BODY_TOO_LARGE', status: 413 });
  });

  test('what is not HTTP', async () => {
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(server.port, '127.0.0.1', () => socket.write('{"jsonrpc":"2.0"}\r\n\r\n'));
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain('"code":"TM_REQUEST_MALFORMED"');
  });
});

describe('what the store throws', () => {
  const failing = async (error: unknown): Promise<TestServer> => {
    const reject = (): Promise<never> => Promise.reject(error);
    const queries: StoreQueries = {
      spend: reject,
      calls: reject,
      call: reject,
      latency: reject,
      inventory: reject,
      completeness: reject,
      deadLetters: reject,
      close: async () => undefined,
    };
    return backends.start({ queries });
  };

  test('not ready: 503, and when to come back', async () => {
    for (const code of ['TM_STORE_UNAVAILABLE', 'TM_STORE_SCHEMA', 'TM_STORE_IN_USE'] as const) {
      const response = await (await failing(new StoreError(code, 'at 10.0.0.7', 'x'))).get('/v1/spend');
      expect(response.headers.get('retry-after')).toBe('5');
      const body = await problemOf(response);
      expect(body).toMatchObject({ code: 'TM_STORE_UNAVAILABLE', status: 503 });
      expect(JSON.stringify(body)).not.toContain('10.0.0.7');
    }
  });

  test('stopped at its time limit: 504, and what to ask instead', async () => {
    const slow = new StoreError('TM_STORE_UNAVAILABLE', 'x', '', 159);
    const body = await problemOf(await (await failing(slow)).get('/v1/spend'));
    expect(body).toMatchObject({ code: 'TM_QUERY_TIMEOUT', status: 504 });
  });

  test.each([
    new StoreError('TM_STORE_QUERY', 'SELECT secret', 'SELECT secret', 62),
    new ToolmeterError('TM_SOMETHING', 'secret', 'secret'),
    new TypeError('secret is not a function'),
    'secret',
  ])('anything else: 500, and not a word of it (%#)', async (error) => {
    const body = await problemOf(await (await failing(error)).get('/v1/spend'));
    expect(body).toMatchObject({ code: 'TM_INTERNAL', status: 500 });
    expect(JSON.stringify(body)).not.toContain('secret');
  });
});
