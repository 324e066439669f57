import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openCollectors, openOwnCollectors } from '../../api/auth/collectors.ts';
import { openApiKeys } from '../../api/auth/keys.ts';
import { isAllowed, type Permission, POLICY, ROLES, type Role } from '../../api/auth/policy.ts';
import { silentLog } from '../../core/log.ts';
import { INVENTORIES } from '../../schemas/api.ts';
import { meteredCall, TestClock } from '../support/calls-topic.ts';
import { insertCalls } from '../support/clickhouse.ts';
import { type TestServer, testBackends } from './server.ts';

let backends: Awaited<ReturnType<typeof testBackends>>;
let server: TestServer;
const mine = meteredCall(0, { team: 'search' });
const others = meteredCall(1, {
  team: 'ads',
  call_id: mine.call_id,
  vantage: 'client',
  counted: false,
  calls: 0,
});
const alone = meteredCall(2, { team: 'ads' });

beforeAll(async () => {
  backends = await testBackends();
  server = await backends.start();
  await insertCalls(
    backends.store.client,
    [mine, others, alone].map((row) => ({ row, recordedAt: '2026-03-11T00:00:00.000Z' })),
  );
});
afterAll(() => backends.close());

const bearer = (key: string): { authorization: string } => ({ authorization: `Bearer ${key}` });
const codeOf = async (response: Response): Promise<unknown> =>
  ((await response.json()) as { code?: string }).code;

describe('role × route', () => {
  const ROUTES: Record<string, Permission> = {
    '/v1/spend': 'spend.read',
    '/v1/calls': 'calls.read',
    [`/v1/calls/${mine.event_id}`]: 'calls.read',
    '/v1/latency': 'latency.read',
    '/v1/callers': 'inventory.read',
    '/v1/servers': 'inventory.read',
    '/v1/tools': 'inventory.read',
    '/v1/completeness': 'completeness.read',
    '/v1/dead-letters': 'dead_letters.read',
    '/metrics': 'metrics.read',
  };
  /** Written out, so that a change of the policy is seen twice. */
  const MAY: Record<Role, string> = {
    admin: 'spend calls call latency callers servers tools completeness dead-letters metrics content',
    finance: 'spend calls call callers servers tools completeness',
    security: 'calls call callers servers tools completeness dead-letters content',
    sre: 'calls call latency callers servers tools completeness dead-letters metrics',
    viewer: 'spend latency callers servers tools completeness',
  };

  test.each(ROLES)('%s', async (role) => {
    const { key } = backends.keys.create({ name: `a ${role}`, role });
    const may: string[] = [];
    for (const path of Object.keys(ROUTES)) {
      const response = await server.get(path, bearer(key));
      expect([200, 403]).toContain(response.status);
      expect(response.status === 200).toBe(
        isAllowed({ id: '', role, teams: null }, ROUTES[path] as Permission),
      );
      const name = path.startsWith('/v1/calls/') ? 'call' : path.replace(/^\/(v1\/)?/, '');
      if (response.status === 200) may.push(name);
      else expect(await codeOf(response)).toBe('TM_FORBIDDEN');
      if (name !== 'call' || response.status !== 200) continue;
      const detail = (await response.json()) as { call: Record<string, string>; content_shown: boolean };
      const shown = detail.call.arguments_text !== '' && detail.call.result_text !== '';
      expect(detail.content_shown).toBe(shown);
      expect(detail.call.arguments_text === '').toBe(detail.call.result_text === '');
      if (shown) may.push('content');
    }
    expect(may.sort()).toEqual(MAY[role].split(' ').sort());
  });

  test('no key at all: only where everything is embedded, and only from this machine itself', async () => {
    for (const path of Object.keys(ROUTES))
      expect([path, (await server.get(path)).status]).toEqual([path, 200]);
    const proxied = await server.get('/v1/spend', { 'x-forwarded-for': '10.0.0.1' });
    expect([proxied.status, await codeOf(proxied)]).toEqual([401, 'TM_UNAUTHENTICATED']);
    const many = await backends.start({ config: { embedded: false } });
    for (const path of Object.keys(ROUTES)) {
      const response = await many.get(path);
      expect([path, response.status, response.headers.get('www-authenticate')]).toEqual([
        path,
        401,
        'Bearer realm="toolmeter"',
      ]);
    }
    for (const path of ['/healthz', '/readyz', '/openapi.json'])
      expect([path, (await many.get(path)).status]).toEqual([path, 200]);
  });

  test('a credential that is wrong is refused, also on loopback', async () => {
    const { key, info } = backends.keys.create({ name: 'x', role: 'admin' });
    const wrong = [
      key.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
      key.replace(info.id, '0'.repeat(16)),
      'tmk_x',
      backends.home.collectorToken,
    ];
    for (const credential of wrong)
      expect((await server.get('/v1/spend', bearer(credential))).status).toBe(401);
    expect((await server.get('/v1/spend', { authorization: 'Basic YTpi' })).status).toBe(401);
    expect((await server.get('/v1/spend', bearer(key))).status).toBe(200);
    expect(backends.keys.revoke(info.id)).toBe(true);
    expect((await server.get('/v1/spend', bearer(key))).status).toBe(401);
  });

  test('posting takes a collector token, on loopback too; an API key is none', async () => {
    const { key } = backends.keys.create({ name: 'x', role: 'admin' });
    for (const headers of [{}, bearer(key), bearer(`tmc_someone_${'0'.repeat(48)}`)]) {
      const response = await fetch(`${server.url}/v1/events`, { method: 'POST', body: '[]', headers });
      expect([response.status, await codeOf(response)]).toEqual([401, 'TM_UNAUTHENTICATED']);
    }
  });
});

describe('a key of one team', () => {
  const RANGE = 'from=2026-03-01&to=2026-04-01';
  let headers: { authorization: string };
  beforeAll(() => {
    headers = bearer(backends.keys.create({ name: 'search', role: 'admin', teams: ['search'] }).key);
  });

  test('sees its own calls and sums, whatever it asks for', async () => {
    for (const query of ['', '&team=search', '&team=search&team=ads']) {
      const spend = (await (await server.get(`/v1/spend?${RANGE}${query}`, headers)).json()) as {
        rows: { group: object }[];
        total: { calls: number };
      };
      expect(spend.rows.map((row) => row.group)).toEqual([{ team: 'search' }]);
      expect(spend.total.calls).toBe(1);
      const calls = (await (await server.get(`/v1/calls?${RANGE}${query}`, headers)).json()) as {
        rows: { team: string }[];
      };
      expect(calls.rows.map((row) => row.team)).toEqual(['search']);
    }
  });

  test("another team's look like a team without calls", async () => {
    const spend = await server.get(`/v1/spend?${RANGE}&team=ads`, headers);
    expect(await spend.json()).toMatchObject({ rows: [], total: { calls: 0, cost_usd: '0' } });
    expect(await (await server.get(`/v1/calls?${RANGE}&team=ads`, headers)).json()).toEqual({
      rows: [],
      next: null,
    });
    const latency = await server.get(`/v1/latency?${RANGE}&team=ads`, headers);
    expect(await latency.json()).toEqual({ rows: [], truncated: false });
    for (const of of INVENTORIES) {
      const others = await server.get(`/v1/${of}?${RANGE}&team=ads`, headers);
      expect(await others.json()).toEqual({ rows: [], truncated: false });
      const { rows } = (await (await server.get(`/v1/${of}?${RANGE}`, headers)).json()) as {
        rows: { teams: string[] }[];
      };
      expect(rows.map(({ teams }) => teams)).toEqual([['search']]);
    }
    expect((await server.get(`/v1/calls/${alone.event_id}`, headers)).status).toBe(404);
    expect((await server.get(`/v1/calls/${mine.event_id}`, headers)).status).toBe(200);
  });

  test('nor what another team saw of its call', async () => {
    const detail = async (headers: Record<string, string>) =>
      (await (await server.get(`/v1/calls/${mine.event_id}`, headers)).json()) as { observations: object[] };
    expect((await detail({})).observations).toHaveLength(1);
    expect((await detail(headers)).observations).toEqual([]);
  });

  test('has nothing that has no team', async () => {
    for (const path of ['/v1/completeness', '/v1/dead-letters', '/metrics'])
      expect([path, (await server.get(path, headers)).status]).toEqual([path, 403]);
  });
});

describe('Host and Origin', () => {
  /** fetch refuses to send another Host. */
  const status = (port: number, headers: Record<string, string>, path = '/v1/spend', method = 'GET') =>
    new Promise<{ status: number; headers: Record<string, unknown> }>((resolve, reject) => {
      httpRequest({ port, host: '127.0.0.1', path, method, headers }, (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0, headers: response.headers });
      })
        .on('error', reject)
        .end();
    });

  test('a host that is not ours is refused: DNS rebinding', async () => {
    const { port } = server;
    expect((await status(port, { host: `evil.example:${port}` })).status).toBe(421);
    expect((await status(port, { host: `127.0.0.1.evil.example:${port}` })).status).toBe(421);
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`])
      expect([host, (await status(port, { host })).status]).toEqual([host, 200]);
    expect((await status(port, { host: 'evil.example' }, '/healthz')).status).toBe(200);
    const named = await backends.start({ config: { allowedHosts: ['meter.example'] } });
    expect((await status(named.port, { host: 'meter.example' })).status).toBe(200);
    const anywhere = await backends.start({ config: { host: '0.0.0.0' } });
    expect((await status(anywhere.port, { host: '0.0.0.0' })).status).toBe(421);
  });

  test('a page of another origin is refused; of ours and of a listed one it is not', async () => {
    const { port } = await backends.start({ config: { allowedOrigins: ['https://grafana.example'] } });
    const host = `127.0.0.1:${port}`;
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${port + 1}`])
      expect([origin, (await status(port, { host, origin })).status]).toEqual([origin, 403]);
    expect((await status(port, { host, origin: `http://${host}` })).status).toBe(200);
    const listed = await status(port, { host, origin: 'https://grafana.example' });
    expect([listed.status, listed.headers['access-control-allow-origin']]).toEqual([
      200,
      'https://grafana.example',
    ]);
    const asked = { host, origin: 'https://grafana.example', 'access-control-request-method': 'GET' };
    const preflight = await status(port, asked, '/v1/spend', 'OPTIONS');
    expect([preflight.status, preflight.headers['access-control-allow-headers']]).toEqual([
      204,
      'authorization, content-type, accept',
    ]);
    const evil = await status(port, { ...asked, origin: 'https://evil.example' }, '/v1/spend', 'OPTIONS');
    expect(evil.status).toBe(403);
  });
});

describe('credential files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'toolmeter-keys-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('keys are kept hashed, in a file that only its owner reads', () => {
    const keys = openApiKeys(folder);
    const { key, info } = keys.create({ name: 'ci', role: 'viewer', teams: ['a'] });
    expect(key).toMatch(/^tmk_[0-9a-f]{16}_[0-9a-f]{48}$/);
    const path = join(folder, 'api-keys.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).not.toContain(key.split('_')[2]);
    expect(keys.list()).toEqual([info]);
    expect(keys.list()[0]).not.toHaveProperty('hash');
    expect(keys.authenticate(key)).toEqual({ id: info.id, role: 'viewer', teams: ['a'] });
    expect(() => keys.create({ name: '', role: 'viewer' })).toThrow(/name/);
    expect(() => keys.create({ name: 'x', role: 'viewer', teams: [] })).toThrow(/teams/);
  });

  test('what another process makes or revokes takes effect within a second', () => {
    const clock = new TestClock('2026-03-01T00:00:00Z');
    const [here, there] = [openApiKeys(folder, clock), openApiKeys(folder, clock)];
    const { key, info } = there.create({ name: 'x', role: 'sre' });
    clock.advance(1_000);
    expect(here.authenticate(key)?.role).toBe('sre');
    here.create({ name: 'y', role: 'sre' });
    there.revoke(info.id);
    clock.advance(1_000);
    expect(here.authenticate(key)).toBeNull();
    expect(here.list().map((entry) => entry.name)).toEqual(['y']);
  });

  test('an expired key opens nothing', () => {
    const clock = new TestClock('2026-03-01T00:00:00Z');
    const keys = openApiKeys(folder, clock);
    const { key } = keys.create({ name: 'x', role: 'sre', expiresAt: new Date('2026-03-01T01:00:00Z') });
    expect(keys.authenticate(key)).not.toBeNull();
    clock.advance(3_600_000);
    expect(keys.authenticate(key)).toBeNull();
  });

  test('a file that breaks leaves the last good keys; one that is broken from the start is an error', () => {
    const clock = new TestClock('2026-03-01T00:00:00Z');
    const errors: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void errors.push(fields) };
    const keys = openApiKeys(folder, clock, log);
    const { key } = keys.create({ name: 'x', role: 'sre' });
    writeFileSync(join(folder, 'api-keys.json'), '{"version":1,"entries":[{"id":"zz"}]}');
    clock.advance(2_000);
    expect(keys.authenticate(key)?.role).toBe('sre');
    expect(errors).toMatchObject([{ code: 'TM_CREDENTIALS' }]);
    expect(() => openApiKeys(folder)).toThrow(/entries\.0\.id/);
  });

  test("the machine's own token is enrolled, once, as trusted; another as its administrator says", () => {
    const home = { path: folder, collectorToken: `tmc_abc_${'1'.repeat(48)}` };
    openOwnCollectors(home);
    const collectors = openOwnCollectors(home);
    expect(collectors.list()).toHaveLength(1);
    expect(collectors.authenticate(home.collectorToken)).toEqual({ collector: 'abc', trusted: true });
    const { token, info } = collectors.enrol({ name: 'laptop', trusted: false });
    expect(openCollectors(folder).authenticate(token)).toEqual({ collector: info.id, trusted: false });
    expect(collectors.authenticate(`tmc_abc_${'2'.repeat(48)}`)).toBeNull();
    expect(collectors.revoke(info.id)).toBe(true);
    expect(collectors.authenticate(token)).toBeNull();
    for (const token of ['tmc_x', `tmc_broker_${'1'.repeat(48)}`])
      expect(() => collectors.enrol({ name: 'x', trusted: true, token })).toThrow(/token/);
  });
});

test('every permission has a role, and admin has all', () => {
  for (const roles of Object.values(POLICY)) expect(roles).toContain('admin');
});

test('processes that make keys at the same time lose none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-keys-'));
  const script = `
    import { openApiKeys } from ${JSON.stringify(new URL('../../api/auth/keys.ts', import.meta.url).href)};
    const keys = openApiKeys(process.argv[1]);
    for (let i = 0; i < 20; i++) keys.create({ name: process.argv[2] + i, role: 'viewer' });`;
  await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, folder, name]),
    ),
  );
  expect(openApiKeys(folder).list()).toHaveLength(60);
  expect(readdirSync(folder)).toEqual(['api-keys.json']);
  rmSync(folder, { recursive: true, force: true });
});
