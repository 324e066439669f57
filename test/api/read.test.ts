import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatUsd, parseUsd } from '../../core/money.ts';
import {
  CallDetailSchema,
  CallersResultSchema,
  CallsResultSchema,
  ServersResultSchema,
  SPEND_GROUPS,
  SpendResultSchema,
  ToolsResultSchema,
} from '../../schemas/api.ts';
import { MeteredCallSchema } from '../../schemas/metered-call.ts';
import { costLine, costOf, meteredCall } from '../support/calls-topic.ts';
import { insertCalls } from '../support/clickhouse.ts';
import { observedCall } from '../support/events.ts';
import { MAX_BODY_BYTES, type TestServer, testBackends } from './server.ts';

let backends: Awaited<ReturnType<typeof testBackends>>;
let server: TestServer;

const RECORDED = '2026-03-11T00:00:00.000Z';
const calls = [
  meteredCall(0, { team: 'search', tool: 'grep', outcome: 'ok' }),
  meteredCall(1, {
    team: 'search',
    tool: '=cmd|calc',
    outcome: 'tool_error',
    ...costOf([costLine('arguments', '0.000000000001')]),
  }),
  meteredCall(2, { team: 'ads', tool: 'grep, "x"', ts: '2026-03-12T00:00:00.000001Z' }),
  meteredCall(3, { team: '', tool: 'grep', counted: false, calls: 0, vantage: 'client' }),
];

beforeAll(async () => {
  backends = await testBackends();
  server = await backends.start();
  await insertCalls(
    backends.store.client,
    calls.map((row) => ({ row, recordedAt: RECORDED })),
  );
});
afterAll(() => backends.close());

const json = async (path: string): Promise<Record<string, never>> => {
  const response = await server.get(path);
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(response.status).toBe(200);
  return response.json() as never;
};

describe('spend', () => {
  test('by team, to the last pico-dollar, in the shape that the schema says', async () => {
    const result = SpendResultSchema.parse(await json('/v1/spend?from=2026-03-01&to=2026-04-01'));
    expect(Object.fromEntries(result.rows.map((row) => [row.group.team, [row.calls, row.cost_usd]]))).toEqual(
      {
        search: [2, '0.250012000001'],
        ads: [1, '0.250012'],
      },
    );
    expect(result.total.cost_usd).toBe('0.500024000001');
    expect(result.total.errors).toBe(1);
  });

  test('without a range: the last 30 days up to now', async () => {
    const result = SpendResultSchema.parse(await json('/v1/spend'));
    expect(result.total.calls).toBe(3);
  });

  test('several groups, filters that are repeated, and time with an offset', async () => {
    const query = new URLSearchParams([
      ['from', '2026-03-10T14:00:00+02:00'],
      ['to', '2026-03-10T12:00:01Z'],
      ['group_by', 'tool,day'],
      ['tool', 'grep'],
      ['tool', '=cmd|calc'],
    ]);
    const result = SpendResultSchema.parse(await json(`/v1/spend?${query}`));
    expect(result.rows.map((row) => row.group)).toEqual([
      { tool: 'grep', day: expect.stringContaining('2026-03-10') },
      { tool: '=cmd|calc', day: expect.stringContaining('2026-03-10') },
    ]);
  });

  test.each([
    ['2026-03-12T02:00:00.000001%2B02:00', '2026-03-12T02:00:00.000002%2B02:00', 1],
    ['2026-03-12T00:00:00.000001Z', '2026-03-12T00:00:00.000002Z', 1],
    ['2026-03-12T00:00:00.000002Z', '2026-03-13', 0],
    ['2026-03-11', '2026-03-12T00:00:00.000001Z', 0],
    ['2026-03-11', '2026-03-12T05:30:00.000002%2B05:30', 1],
    ['2026-03-12', '2026-03-12', 0],
  ])('from %s, inclusive, to %s, exclusive: to the microsecond', async (from, to, calls) => {
    const result = SpendResultSchema.parse(await json(`/v1/spend?from=${from}&to=${to}&group_by=`));
    expect(result.total.calls).toBe(calls);
  });

  test.each(SPEND_GROUPS.flatMap((a, i) => SPEND_GROUPS.slice(i).map((b) => [...new Set([a, b])].join(','))))(
    'by %s: each group once, and together the total',
    async (groups) => {
      const result = SpendResultSchema.parse(
        await json(`/v1/spend?from=2026-03-01&to=2026-04-01&group_by=${groups}`),
      );
      const names = result.rows.map(({ group }) => JSON.stringify(group));
      expect(new Set(names).size).toBe(names.length);
      for (const { group } of result.rows)
        expect(Object.keys(group).sort()).toEqual(groups.split(',').sort());
      const sum = result.rows.reduce((all, row) => all + (parseUsd(row.cost_usd) ?? 0n), 0n);
      expect(formatUsd(sum)).toBe('0.500024000001');
      expect(result.total.cost_usd).toBe('0.500024000001');
      const bases = Object.values(result.total.by_basis);
      expect(bases.reduce((all, basis) => all + (parseUsd(basis.cost_usd) ?? 0n), 0n)).toBe(sum);
      expect(bases.reduce((all, basis) => all + basis.calls, 0)).toBe(3);
    },
  );

  test('a value that is not known is asked for by an empty parameter', async () => {
    const result = SpendResultSchema.parse(await json('/v1/spend?from=2026-03-01&to=2026-04-01&team='));
    expect(result.total.calls).toBe(0);
  });

  test('as CSV, in which no cell is a formula and numbers stay numbers', async () => {
    const response = await server.get('/v1/spend?from=2026-03-01&to=2026-04-01&group_by=tool', {
      accept: 'text/html;q=0.1, text/csv',
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="toolmeter-spend.csv"');
    const lines = (await response.text()).split('\r\n');
    expect(lines[0]).toMatch(/^tool,calls,errors,.*,cost_usd,cost_usd_reported,/);
    expect(lines.some((line) => line.startsWith("'=cmd|calc,1,1,"))).toBe(true);
    expect(lines.some((line) => line.startsWith('"grep, ""x""",1,0,'))).toBe(true);
    expect(lines.at(-1)).toBe('');
  });
});

describe('calls', () => {
  test('pages: each call once, newest first, by following the link', async () => {
    const seen: string[] = [];
    let path: string | undefined = '/v1/calls?from=2026-03-01&to=2026-04-01&limit=3';
    let pages = 0;
    while (path !== undefined) {
      const response = await server.get(path);
      const page = CallsResultSchema.parse(await response.json());
      seen.push(...page.rows.map((row) => row.event_id));
      const link = response.headers.get('link');
      expect(link === null).toBe(page.next === null);
      path = /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1];
      pages++;
    }
    expect(pages).toBe(2);
    expect(seen).toHaveLength(4);
    expect(new Set(seen)).toEqual(new Set(calls.map((call) => call.event_id)));
    expect(seen[0]).toBe(calls[2]?.event_id);
  });

  test('filters by outcome, vantage and whether it counts', async () => {
    const range = 'from=2026-03-01&to=2026-04-01';
    const ids = async (query: string): Promise<string[]> =>
      CallsResultSchema.parse(await json(`/v1/calls?${range}&${query}`)).rows.map((row) => row.event_id);
    expect(await ids('outcome=tool_error,timeout')).toEqual([calls[1]?.event_id]);
    expect(await ids('counted=false')).toEqual([calls[3]?.event_id]);
    expect(await ids('vantage=client')).toEqual([calls[3]?.event_id]);
    expect(await ids('min_duration_us=1501')).toEqual([]);
  });

  test('as CSV, without content', async () => {
    const response = await server.get('/v1/calls?from=2026-03-01&to=2026-04-01', { accept: 'text/csv' });
    const [head = '', ...lines] = (await response.text()).trimEnd().split('\r\n');
    expect(head.split(',')).toContain('cost_usd');
    expect(head).not.toContain('_text');
    expect(lines).toHaveLength(4);
  });

  test('one call, with its cost lines and every field that the store has', async () => {
    const id = calls[0]?.event_id;
    const body = await json(`/v1/calls/${id}`);
    const { content_shown, ...detail } = body as Record<string, unknown>;
    expect(content_shown).toBe(true);
    const { call } = CallDetailSchema.parse(detail);
    expect(call.cost_lines.map((line) => line.amount_usd)).toEqual(['0.000012', '0.25']);
    expect(call.arguments_text).toBe('{"q":"café"}');
    expect(call.tags).toEqual({ run: 'night' });
    expect(Object.keys(call).sort()).toEqual(
      [...Object.keys(MeteredCallSchema.shape), 'log_id', 'partition', 'offset', 'recorded_at'].sort(),
    );
  });

  test('by call id too; one that there is not is 404', async () => {
    const { call } = (await json(`/v1/calls/${calls[1]?.call_id}`)) as never as {
      call: { event_id: string };
    };
    expect(call.event_id).toBe(calls[1]?.event_id);
    const missing = await server.get('/v1/calls/019a0000-0000-7000-8000-00000000dead');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ code: 'TM_NOT_FOUND' });
  });
});

test('latency: percentiles a group, in buckets where asked for, and as CSV', async () => {
  const range = 'from=2026-03-01&to=2026-04-01';
  const whole = (await json(`/v1/latency?${range}&group_by=server`)) as never as { rows: object[] };
  expect(whole.rows).toEqual([
    expect.objectContaining({ group: { server: 'docs' }, bucket: null, calls: 3, errors: 1, p50_us: 1500 }),
  ]);
  const buckets = (await json(`/v1/latency?${range}&group_by=&bucket_s=86400`)) as never as {
    rows: { bucket: string }[];
  };
  expect(buckets.rows.map((row) => row.bucket.slice(0, 10)).sort()).toEqual(['2026-03-10', '2026-03-12']);
  const csv = await (await server.get(`/v1/latency?${range}`, { accept: 'text/csv' })).text();
  expect(csv.split('\r\n')[0]).toBe('server,tool,bucket,calls,errors,p50_us,p90_us,p95_us,p99_us,max_us');
});

test('callers, servers and tools: each with what it did, and as CSV', async () => {
  const range = 'from=2026-03-01&to=2026-04-01';
  const tools = ToolsResultSchema.parse(await json(`/v1/tools?${range}`));
  expect(
    tools.rows.map(({ tool, observations, calls, errors }) => [tool, observations, calls, errors]),
  ).toEqual([
    ['grep', 2, 1, 0],
    ['=cmd|calc', 1, 1, 1],
    ['grep, "x"', 1, 1, 0],
  ]);
  expect(ServersResultSchema.parse(await json(`/v1/servers?${range}`)).rows).toEqual([
    expect.objectContaining({
      server: 'docs',
      tools: 3,
      vantages: ['client', 'server'],
      teams: ['', 'ads', 'search'],
    }),
  ]);
  expect(CallersResultSchema.parse(await json(`/v1/callers?${range}&limit=1&tool=grep`)).rows).toEqual([
    expect.objectContaining({ observations: 2, calls: 1, servers: 1, tools: 1 }),
  ]);
  const csv = await (await server.get(`/v1/tools?${range}`, { accept: 'text/csv' })).text();
  expect(csv.split('\r\n')[0]).toBe(
    'server,tool,callers,observations,calls,errors,p95_us,findings,teams,first_seen,last_seen',
  );
  expect(csv).toContain("docs,'=cmd|calc,");
});

test('completeness and dead letters answer, empty', async () => {
  expect(await json('/v1/completeness')).toMatchObject({ verdict: null, lanes: 0, rows: [] });
  expect(await json('/v1/dead-letters')).toEqual({ rows: [], next: null, by_code: [] });
});

describe('OpenAPI', () => {
  type Operation = {
    operationId: string;
    parameters?: { name: string; in: string; schema: object }[];
    responses: Record<string, { content: Record<string, { schema: object }> }>;
  };
  const document = async () =>
    (await json('/openapi.json')) as never as {
      openapi: string;
      paths: Record<string, Record<string, Operation>>;
      components: object;
    };

  test('every path of the server is in it, every operation named once', async () => {
    const { paths } = await document();
    expect(Object.keys(paths).sort()).toEqual(
      [
        '/healthz',
        '/metrics',
        '/openapi.json',
        '/readyz',
        '/v1/callers',
        '/v1/calls',
        '/v1/calls/{id}',
        '/v1/completeness',
        '/v1/dead-letters',
        '/v1/events',
        '/v1/events/stream',
        '/v1/latency',
        '/v1/servers',
        '/v1/spend',
        '/v1/tools',
      ].sort(),
    );
    const ids = Object.values(paths).flatMap((item) => Object.values(item).map((op) => op.operationId));
    expect(new Set(ids).size).toBe(ids.length);
    const groupBy = paths['/v1/spend']?.get?.parameters?.find((parameter) => parameter.name === 'group_by');
    expect(groupBy).toMatchObject({ in: 'query', schema: { type: 'array', items: { type: 'string' } } });
  });

  /** Checks an answer by what the document says of its path, method, status and content type. */
  async function conformance() {
    const { paths, components } = await document();
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'root', components }, 'root');
    const local = (schema: object): object =>
      JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"root#/components'));
    return {
      paths,
      compile: (schema: object) => ajv.compile(local(schema)),
      check: async (path: string, method: 'get' | 'post', response: Response): Promise<unknown> => {
        const responses = paths[path]?.[method]?.responses ?? {};
        const said = responses[String(response.status)] ?? responses.default;
        const type = (response.headers.get('content-type') ?? '').split(';')[0] as string;
        const schema = said?.content[type]?.schema;
        if (schema === undefined) return `${method} ${path}: ${response.status} ${type} is not described`;
        const validate = ajv.compile(local(schema));
        const body = type.endsWith('json') ? await response.json() : await response.text();
        return validate(body) || validate.errors;
      },
    };
  }

  test('its schemas can be compiled', async () => {
    const { paths, compile } = await conformance();
    for (const item of Object.values(paths))
      for (const operation of Object.values(item)) {
        for (const parameter of operation.parameters ?? []) compile(parameter.schema);
        for (const response of Object.values(operation.responses))
          for (const { schema } of Object.values(response.content)) compile(schema);
      }
  });

  test('real answers of every path are as it says, good and bad', async () => {
    const { paths, check } = await conformance();
    const id = calls[0]?.event_id;
    const csv = { accept: 'text/csv' };
    const asked: [path: string, status: number, url: string, headers?: Record<string, string>][] = [
      ['/v1/spend', 200, '/v1/spend?group_by=team,day,basis'],
      ['/v1/spend', 200, '/v1/spend?group_by=tool', csv],
      ['/v1/spend', 200, '/v1/spend?from=2026-03-01&to=2026-03-01'],
      ['/v1/spend', 400, '/v1/spend?group_by=teem'],
      ['/v1/spend', 406, '/v1/spend', { accept: 'image/png' }],
      ['/v1/spend', 401, '/v1/spend', { authorization: 'Bearer tmk_x' }],
      ['/v1/spend', 403, '/v1/spend', { origin: 'https://evil.example' }],
      ['/v1/calls', 200, '/v1/calls'],
      ['/v1/calls', 200, '/v1/calls', csv],
      ['/v1/calls', 400, '/v1/calls?cursor=AAAA'],
      ['/v1/calls/{id}', 200, `/v1/calls/${id}`],
      ['/v1/calls/{id}', 404, '/v1/calls/nothing'],
      ['/v1/latency', 200, '/v1/latency?bucket_s=3600'],
      ['/v1/callers', 200, '/v1/callers'],
      ['/v1/servers', 200, '/v1/servers'],
      ['/v1/servers', 400, '/v1/servers?servers=x'],
      ['/v1/tools', 200, '/v1/tools'],
      ['/v1/tools', 200, '/v1/tools', csv],
      ['/v1/completeness', 200, '/v1/completeness'],
      ['/v1/dead-letters', 200, '/v1/dead-letters'],
      ['/healthz', 200, '/healthz'],
      ['/readyz', 200, '/readyz'],
      ['/metrics', 200, '/metrics'],
      ['/openapi.json', 200, '/openapi.json'],
    ];
    for (const [path, status, url, headers] of asked) {
      const response = await server.get(url, headers);
      expect([url, response.status]).toEqual([url, status]);
      expect([url, await check(path, 'get', response)]).toEqual([url, true]);
    }
    expect(new Set([...asked.map(([path]) => path), '/v1/events', '/v1/events/stream'])).toEqual(
      new Set(Object.keys(paths)),
    );

    const posted: [status: number, body: string, type: string][] = [
      [202, '[]', 'application/json'],
      [202, `${JSON.stringify(observedCall())}\n{bad`, 'application/x-ndjson'],
      [400, '{bad', 'application/json'],
      [415, '<a/>', 'text/xml'],
      [422, '[{}]', 'application/json'],
      [413, ' '.repeat(MAX_BODY_BYTES + 1), 'application/json'],
    ];
    for (const [status, body, type] of posted) {
      const response = await server.post(body, type);
      expect([type, response.status]).toEqual([type, status]);
      expect([status, await check('/v1/events', 'post', response)]).toEqual([status, true]);
    }

    const failing = await backends.start();
    failing.health.add('log', () => ({ name: 'log', ok: false, detail: 'away' }));
    failing.health.fail('processor', 'ended');
    for (const path of ['/healthz', '/readyz']) {
      const response = await failing.get(path);
      expect([response.status, await check(path, 'get', response)]).toEqual([503, true]);
    }
  });
});
