import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MAX_EVENTS } from '../../../collectors/ingest/decode.ts';
import { ToolmeterError } from '../../../core/errors.ts';
import { uuidv7 } from '../../../core/ids.ts';
import { type CallEvent, CallEventSchema } from '../../../schemas/call-event.ts';
import { partitionOfLane } from '../../../schemas/partition.ts';
import { fromHeaders, type RawRecord } from '../../../schemas/record.ts';
import { type TestServer, testBackends } from '../../api/server.ts';
import { observedCall } from '../../support/events.ts';
import { encodeLine } from '../../support/wire.ts';

const NDJSON = 'application/x-ndjson';
let backends: Awaited<ReturnType<typeof testBackends>>;
let server: TestServer;
let before: number;

beforeAll(async () => {
  backends = await testBackends();
  server = await backends.start();
});
afterAll(() => backends.close());
beforeEach(async () => {
  before = (await backends.raw()).length;
  seen = new Set((await backends.raw()).map(({ partition, offset }) => `${partition}:${offset}`));
});

let seen: Set<string>;
/** What has come into the log since the test began, as records with their bytes as text. */
async function landed() {
  const records = (await backends.raw()).filter(
    ({ partition, offset }) => !seen.has(`${partition}:${offset}`),
  );
  return records.map(({ partition, headers, value }) => {
    const record = fromHeaders(headers, value ?? Buffer.alloc(0));
    if ('problem' in record) throw new Error(record.problem);
    return { partition, ...record, value: (value ?? '').toString() };
  });
}

const lane = { instance: 'spool-1', epoch: uuidv7(), lane: 2 };
const numbered = (seq: number, value: string, more: Partial<RawRecord> = {}): RawRecord => ({
  kind: 'event',
  at: { collector: 'whoever', ...lane, seq },
  trusted: true,
  value,
  ...more,
});
const answerOf = async (response: Response) => {
  expect([response.status, response.headers.get('content-type')]).toEqual([
    202,
    'application/json; charset=utf-8',
  ]);
  return (await response.json()) as {
    accepted: number;
    rejected: { index: number; code: string; message: string; hint: string }[];
  };
};
const ownId = () => backends.home.collectorToken.split('_')[1];

describe("a collector's own records", () => {
  test('go to the log as they are, under the collector of the token, in the partition of their lane', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    // Digits, spacing, escapes and order are the sender's own.
    const text = '{ "n": 12345678901234567890, "x": 1.0, "s":"\\u00e9\\ud800", "s":"two" }';
    const lines = [
      encodeLine({ ...numbered(1, ''), kind: 'open', at: { collector: 'whoever', ...lane } }),
      encodeLine(numbered(1, text, { traceparent })),
      encodeLine(numbered(2, JSON.stringify(observedCall()), { stripped: true })),
      encodeLine({ ...numbered(1, ''), kind: 'end', at: { collector: 'whoever', ...lane }, last: 2 }),
    ];
    const answer = await answerOf(await server.post(`${lines.join('\n')}\n`, NDJSON));
    expect(answer).toEqual({ accepted: 4, rejected: [] });
    const records = await landed();
    expect(records.map(({ kind, last }) => [kind, last])).toEqual([
      ['open', undefined],
      ['event', undefined],
      ['event', undefined],
      ['end', 2],
    ]);
    expect(records[1]).toMatchObject({
      at: { collector: ownId(), ...lane, seq: 1 },
      trusted: true,
      traceparent,
      value: text,
      partition: partitionOfLane({ collector: ownId() as string, ...lane }, await backends.log.schedule()),
    });
    expect(records[2]).toMatchObject({ stripped: true, at: { seq: 2 } });
    expect(new Set(records.map(({ partition }) => partition)).size).toBe(1);
  });

  test('are not refused for their value: what it is worth is for the processors', async () => {
    const values = ['{}', 'nonsense', '{"kind":"call"', `${'['.repeat(100_000)}`, '{"a":1},"at":{"seq":9}'];
    const lines = values.map((value, i) => encodeLine(numbered(100 + i, value)));
    expect((await answerOf(await server.post(lines.join('\r\n'), NDJSON))).accepted).toBe(values.length);
    const records = await landed();
    expect(records.map(({ value }) => value)).toEqual(values);
    expect(records.map(({ at }) => at?.seq)).toEqual([100, 101, 102, 103, 104]);
  });

  test('bytes that are not UTF-8 are kept', async () => {
    const line = encodeLine(numbered(200, '"@"'));
    const body = Buffer.from(line);
    body[body.indexOf(0x40)] = 0xff;
    expect((await answerOf(await server.post(body, NDJSON))).accepted).toBe(1);
    const raw = (await backends.raw()).filter(({ value }) => value?.equals(Buffer.from([0x22, 0xff, 0x22])));
    expect(raw).toHaveLength(1);
  });

  test("no token advances another's numbering, nor claims more trust than it has", async () => {
    const { token, info } = backends.collectors.enrol({ name: 'laptop', trusted: false });
    const headers = { authorization: `Bearer ${token}` };
    const forged = encodeLine(numbered(1, '{}')).replace('"instance"', `"collector":"${ownId()}","instance"`);
    const body = `${encodeLine(numbered(1, '{}'))}\n${forged}`;
    const answer = await answerOf(await server.post(body, NDJSON, headers));
    expect(answer).toMatchObject({ accepted: 1, rejected: [{ index: 1, code: 'TM_EVENT_SCHEMA' }] });
    expect(await landed()).toMatchObject([{ at: { collector: info.id }, trusted: false }]);
  });

  test('what is no record is named by its line; the others go in', async () => {
    const good = encodeLine(numbered(300, '{}'));
    const body = [
      good,
      good.replace('"seq":300', '"seq":0'),
      '',
      good.replace('"lane":2', '"lane":4096'),
      good.replace('"kind":"event"', '"kind":"alive"'),
      good.slice(0, -2),
    ].join('\n');
    const answer = await answerOf(await server.post(body, NDJSON));
    expect([answer.accepted, answer.rejected.map(({ index }) => index)]).toEqual([1, [1, 3, 4, 5]]);
    const only = await answerOf(await server.post(good.slice(0, -2), NDJSON));
    expect([only.accepted, only.rejected.length]).toEqual([0, 1]);
  });

  test('one that is larger than the log takes is refused alone', async () => {
    const large = JSON.stringify({ text: 'x'.repeat(1_000_000) });
    const lines = [numbered(400, '{}'), numbered(401, large), numbered(402, '{}')].map(encodeLine);
    const answer = await answerOf(await server.post(lines.join('\n'), NDJSON));
    expect(answer).toMatchObject({ accepted: 2, rejected: [{ index: 1, code: 'TM_RECORD_TOO_LARGE' }] });
    expect((await landed()).map(({ at }) => at?.seq)).toEqual([400, 402]);
  });

  test('a packed body', async () => {
    const body = gzipSync(
      Array.from({ length: 500 }, (_, i) => encodeLine(numbered(500 + i, '{}'))).join('\n'),
    );
    const answer = await answerOf(await server.post(body, NDJSON, { 'content-encoding': 'gzip' }));
    expect(answer).toEqual({ accepted: 500, rejected: [] });
    const broken = await server.post(body.subarray(0, 40), NDJSON, { 'content-encoding': 'gzip' });
    expect([broken.status, ((await broken.json()) as { code: string }).code]).toEqual([
      400,
      'TM_REQUEST_MALFORMED',
    ]);
  });
});

describe('events from outside', () => {
  const cloud = (event: CallEvent, more: object = {}) => ({
    specversion: '1.0',
    type: 'io.toolmeter.call.raw.v1',
    source: '/my/agent',
    id: '42',
    data: event,
    ...more,
  });

  test('one, several, and one a line', async () => {
    const events = Array.from({ length: 5 }, () => observedCall());
    const [a, ...rest] = events;
    expect(await answerOf(await server.post(JSON.stringify(a), 'application/json'))).toMatchObject({
      accepted: 1,
    });
    expect(
      await answerOf(
        await server.post(`\uFEFF${JSON.stringify(rest.slice(0, 2))}`, 'application/json; charset=UTF-8'),
      ),
    ).toMatchObject({ accepted: 2 });
    expect(
      await answerOf(
        await server.post(
          rest
            .slice(2)
            .map((event) => JSON.stringify(event))
            .join('\n'),
          NDJSON,
        ),
      ),
    ).toMatchObject({ accepted: 2 });
    const records = await landed();
    expect(records.map(({ value }) => JSON.parse(value).event_id).sort()).toEqual(
      events.map((event) => event.event_id).sort(),
    );
    for (const record of records) {
      expect(record.at).toBeUndefined();
      expect(record.foreignId).toMatch(/^[0-9a-f]{32}$/);
      expect(record.trusted).toBe(true);
    }
  });

  test('a retry has the same id, whatever else changed; another source, id or collector has another', async () => {
    const { token } = backends.collectors.enrol({ name: 'other', trusted: false });
    const event = observedCall();
    const post = (body: unknown, type: string, headers = {}) =>
      server.post(JSON.stringify(body), type, headers).then(answerOf);
    await post(event, 'application/json');
    await post([{ ...event, event_id: event.event_id.toUpperCase(), duration_us: 9 }], 'application/json');
    await post(event, 'application/json', { authorization: `Bearer ${token}` });
    await post(cloud(event), 'application/cloudevents+json');
    await post([cloud(observedCall())], 'application/cloudevents-batch+json');
    await post(cloud(event, { source: '/other' }), 'application/cloudevents+json');
    await post(cloud(event, { id: '43' }), 'application/cloudevents+json');
    const ids = (await landed()).map(({ foreignId }) => foreignId);
    expect(ids).toHaveLength(7);
    expect(new Set(ids).size).toBe(5);
  });

  test('CloudEvents in each mode of the HTTP binding', async () => {
    const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
    const events = Array.from({ length: 4 }, () => observedCall());
    const [a, b, c, d] = events as [CallEvent, CallEvent, CallEvent, CallEvent];
    await answerOf(
      await server.post(JSON.stringify(a), 'application/json', {
        'ce-specversion': '1.0',
        'ce-type': 't',
        'ce-source': '/%C3%A4',
        'ce-id': 'a',
        'ce-traceparent': traceparent,
      }),
    );
    await answerOf(
      await server.post(JSON.stringify(cloud(b, { source: '/ä', id: 'a' })), 'application/cloudevents+json'),
    );
    const packed = {
      ...cloud(c, { id: 'c', datacontenttype: 'application/json' }),
      data: undefined,
      data_base64: Buffer.from(JSON.stringify(c)).toString('base64'),
    };
    await answerOf(
      await server.post(
        JSON.stringify([packed, cloud(d, { id: 'd' })]),
        'application/cloudevents-batch+json',
      ),
    );
    const records = await landed();
    expect(records.map(({ value }) => JSON.parse(value).event_id).sort()).toEqual(
      events.map((event) => event.event_id).sort(),
    );
    const byEvent = Object.fromEntries(records.map((record) => [JSON.parse(record.value).event_id, record]));
    expect(byEvent[a.event_id]?.traceparent).toBe(traceparent);
    expect(byEvent[a.event_id]?.foreignId).toBe(byEvent[b.event_id]?.foreignId);
  });

  test.each([
    ['not an object', 7, 'TM_EVENT_SCHEMA'],
    ['null', null, 'TM_EVENT_SCHEMA'],
    ['an unknown key', { ...observedCall(), extra: 1 }, 'TM_EVENT_SCHEMA'],
    ['a negative duration', { ...observedCall(), duration_us: -1 }, 'TM_EVENT_SCHEMA'],
    ['a future version', { ...observedCall(), schema_version: 99 }, 'TM_EVENT_VERSION'],
    ['another specversion', { ...cloud(observedCall()), specversion: '0.3' }, 'TM_CLOUDEVENT'],
    ['no source', { ...cloud(observedCall()), source: '' }, 'TM_CLOUDEVENT'],
    ['data that is not JSON', { ...cloud(observedCall()), datacontenttype: 'text/xml' }, 'TM_CLOUDEVENT'],
    ['data that is no event', { ...cloud(observedCall()), data: 'x' }, 'TM_EVENT_SCHEMA'],
  ])('%s is refused with a reason, and is not in the log', async (_, event, code) => {
    const response = await server.post(JSON.stringify([event]), 'application/json');
    expect([response.status, response.headers.get('content-type')]).toEqual([
      422,
      'application/problem+json; charset=utf-8',
    ]);
    const body = (await response.json()) as {
      code: string;
      errors: { parameter: string; message: string }[];
    };
    expect(body.code).toBe('TM_EVENTS_REJECTED');
    expect(body.errors).toEqual([
      { parameter: '[0]', message: expect.stringMatching(new RegExp(`^${code}: `)) },
    ]);
    expect((await backends.raw()).length).toBe(before);
  });

  test('of a batch, the good ones go in and the bad ones are named', async () => {
    const events = [observedCall(), { kind: 'call' }, observedCall(), 'x'];
    const answer = await answerOf(await server.post(JSON.stringify(events), 'application/json'));
    expect(answer).toMatchObject({ accepted: 2, rejected: [{ index: 1 }, { index: 3 }] });
    const lines = await answerOf(
      await server.post(
        `${JSON.stringify(observedCall())}\n{"kind":\n\n${JSON.stringify(observedCall())}`,
        NDJSON,
      ),
    );
    expect(lines).toMatchObject({ accepted: 2, rejected: [{ index: 1, code: 'TM_EVENT_NOT_JSON' }] });
    expect(await landed()).toHaveLength(4);
  });

  test('a credential that is not trusted is so marked, and corrects no costs', async () => {
    const { token } = backends.collectors.enrol({ name: 'guest', trusted: false });
    const adjustment = {
      schema_version: 1,
      kind: 'adjustment',
      event_id: uuidv7(),
      call_id: uuidv7(),
      collector: { kind: 'reprice', version: '0.1.0' },
      durable: true,
      tags: {},
      adjusts: uuidv7(),
      ts: '2026-03-01T00:00:00Z',
      labels: {
        method: '',
        tool: '',
        server: '',
        caller: '',
        team: '',
        cost_center: '',
        project: '',
        environment: '',
        model: '',
      },
      reason: 'x',
      cost_lines: [
        {
          kind: 'tool_fee',
          quantity: '1',
          unit: 'call',
          unit_price_usd: '-1',
          amount_usd: '-1',
          price_id: 'p',
          basis: 'metered',
        },
      ],
    };
    const both = JSON.stringify([observedCall(), adjustment]);
    const guest = await answerOf(
      await server.post(both, 'application/json', { authorization: `Bearer ${token}` }),
    );
    expect(guest).toMatchObject({ accepted: 1, rejected: [{ index: 1, code: 'TM_EVENT_UNTRUSTED' }] });
    expect(await landed()).toMatchObject([{ trusted: false }]);
    expect(await answerOf(await server.post(both, 'application/json'))).toMatchObject({ accepted: 2 });
  });

  test('NUL and lone surrogates become U+FFFD; other text stays', async () => {
    const event = observedCall({ error: { text: 'a\u0000b\ud800c\\u0000 😀' }, tags: { 'k\u0000': 'v' } });
    await answerOf(await server.post(JSON.stringify(event), 'application/json'));
    const [record] = await landed();
    const stored = CallEventSchema.parse(JSON.parse(record?.value ?? ''));
    expect(stored).toMatchObject({ error: { text: 'a\uFFFDb\uFFFDc\\u0000 😀' }, tags: { 'k\uFFFD': 'v' } });
    expect(record?.value).not.toContain('\u0000');
  });

  test('the last of duplicate keys counts', async () => {
    const text = JSON.stringify(observedCall()).replace(
      '"duration_us":1200',
      '"duration_us":1,"duration_us":7',
    );
    await answerOf(await server.post(text, 'application/json'));
    expect(JSON.parse((await landed())[0]?.value ?? '').duration_us).toBe(7);
  });

  test('arguments too large for the log, nesting without end, too many events', async () => {
    const big = observedCall({
      arguments: { state: 'captured', bytes: 1_200_000, text: 'x'.repeat(1_200_000), source: 'wire' },
    });
    const answer = await answerOf(
      await server.post(JSON.stringify([observedCall(), big]), 'application/json'),
    );
    expect(answer).toMatchObject({ accepted: 1, rejected: [{ index: 1, code: 'TM_RECORD_TOO_LARGE' }] });
    const deep = await server.post(`${'['.repeat(500_000)}${']'.repeat(500_000)}`, 'application/json');
    expect(deep.status).toBe(422);
    const nested = `{"kind":"call","schema_version":1,"x":${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}}`;
    expect((await server.post(nested, NDJSON)).status).toBe(422);
    const wire = `{ "kind":"event","at":{"instance":"i","epoch":"${lane.epoch}","lane":0,"seq":1},"event":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    expect((await answerOf(await server.post(wire, NDJSON))).rejected.length).toBeLessThanOrEqual(1);
    const many = await server.post(`[${'1,'.repeat(MAX_EVENTS)}1]`, 'application/json');
    expect([many.status, ((await many.json()) as { code: string }).code]).toEqual([413, 'TM_BODY_TOO_LARGE']);
  });

  test('a body that is not JSON, or nothing', async () => {
    const broken = await server.post('{"kind":', 'application/json');
    expect([broken.status, ((await broken.json()) as { code: string }).code]).toEqual([
      400,
      'TM_REQUEST_MALFORMED',
    ]);
    expect(await answerOf(await server.post('[]', 'application/json'))).toEqual({
      accepted: 0,
      rejected: [],
    });
    expect(await answerOf(await server.post('\n\n', NDJSON))).toEqual({ accepted: 0, rejected: [] });
  });
});

describe('the log', () => {
  test('does not answer: 503, and when to come back; nothing is said to be taken', async () => {
    const unavailable = await backends.start({
      sink: () => Promise.reject(new ToolmeterError('TM_LOG_UNAVAILABLE', 'kafka-3 is down', '')),
    });
    const response = await unavailable.post(JSON.stringify(observedCall()), 'application/json');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    const text = await response.text();
    expect(text).toContain('TM_LOG_UNAVAILABLE');
    expect(text).not.toContain('kafka-3');
  });

  test('is slow: bodies in hand are bounded', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = await backends.start({
      config: { maxBodyBytes: 4096 },
      sink: async (records) => {
        await gate;
        return records.map(() => ({ ok: true }));
      },
    });
    const body = JSON.stringify([observedCall()]).padEnd(4000, ' ');
    const posts = Array.from({ length: 9 }, () => slow.post(body, 'application/json'));
    const first = await Promise.race(posts);
    expect(first.status).toBe(503);
    release();
    const statuses = (await Promise.all(posts)).map((response) => response.status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(8);
    expect((await slow.post(body, 'application/json')).status).toBe(202);
  });
});
