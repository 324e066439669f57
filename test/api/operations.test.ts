import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApiKeys } from '../../api/auth/keys.ts';
import { silentLog } from '../../core/log.ts';
import { testBackends } from './server.ts';

let backends: Awaited<ReturnType<typeof testBackends>>;
beforeAll(async () => {
  backends = await testBackends();
});
afterAll(() => backends.close());

test('readiness names what is not ready; in detail only to whoever may read metrics', async () => {
  const server = await backends.start({ config: { embedded: false } });
  expect((await server.get('/readyz')).status).toBe(200);
  server.health.add('log', () => ({ name: 'log', ok: false, detail: 'broker-7.internal does not answer' }));
  const anyone = await server.get('/readyz');
  expect([anyone.status, anyone.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await anyone.json()).toEqual({
    status: 'not_ready',
    not_ready: ['log'],
    parts: [{ name: 'log', ok: false }],
  });
  const { key } = backends.keys.create({ name: 'x', role: 'sre' });
  const sre = await server.get('/readyz', { authorization: `Bearer ${key}` });
  expect(await sre.json()).toMatchObject({ parts: [{ detail: 'broker-7.internal does not answer' }] });
  expect((await server.get('/healthz')).status).toBe(200);
});

test('liveness fails when only a restart will help', async () => {
  const server = await backends.start();
  server.health.fail('processor', 'the thread has ended');
  const response = await server.get('/healthz');
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ status: 'failed', parts: [{ name: 'processor', ok: false }] });
});

test('metrics count requests by route, never by address', async () => {
  const server = await backends.start();
  await server.get('/v1/calls/ada@example.com');
  await server.get('/v1/spend?caller=ada@example.com');
  await server.get('/ada@example.com');
  await fetch(`${server.url}/v1/events`, { method: 'POST', body: '[]' });
  await server.post('[]', 'application/json');
  const response = await server.get('/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await response.text();
  expect(text).toContain(
    'http_server_request_duration_seconds_count{http_request_method="GET",http_route="/v1/calls/:id",http_response_status_code="404"} 1\n',
  );
  expect(text).toContain('http_route="/v1/spend",http_response_status_code="200"} 1\n');
  expect(text).toContain('http_route="unknown",http_response_status_code="404"} 1\n');
  expect(text).toContain('toolmeter_auth_denied_total{code="TM_UNAUTHENTICATED"} 1\n');
  expect(text).toContain('toolmeter_ingest_size_bytes_total{format="json"} 2\n');
  expect(text).not.toContain('ada');
});

test('every answer has the headers that browsers heed', async () => {
  const server = await backends.start();
  for (const path of ['/v1/spend', '/v1/nothing', '/healthz', '/openapi.json']) {
    const { headers } = await server.get(path);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test('without a key that could read, the log says so', async () => {
  const warnings: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
  const none = openApiKeys(join(backends.home.path, 'nobody'));
  await backends.start({ config: { embedded: false }, log, keys: none });
  expect(warnings).toEqual([{ code: 'TM_NO_API_KEYS' }]);
});
