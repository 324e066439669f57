import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { formatPositions, parsePositions } from '../../api/live/positions.ts';
import { CallsTail, type TailedLog } from '../../api/live/tail.ts';
import { silentLog } from '../../core/log.ts';
import { tickRecord } from '../../processors/outputs.ts';
import { CallSummarySchema } from '../../schemas/api.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import { eventually, meteredCall, record } from '../support/calls-topic.ts';
import { type TestServer, testBackends } from './server.ts';

let backends: Awaited<ReturnType<typeof testBackends>>;
let server: TestServer;
let offset = 0;

beforeAll(async () => {
  backends = await testBackends();
  server = await backends.start();
});
afterAll(() => backends.close());

interface Event {
  readonly event: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Opens a stream and gathers its events; resolves once the server has begun it. */
async function open(path: string, headers: Record<string, string> = {}, from = server) {
  const ending = new AbortController();
  closing.push(() => ending.abort());
  const response = await fetch(`${from.url}${path}`, { headers, signal: ending.signal });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const events: Event[] = [];
  const reading = (async () => {
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() as string;
      for (const block of blocks) {
        const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
        if (field('data') !== '')
          events.push({
            event: field('event'),
            id: field('id'),
            data: JSON.parse(field('data')) as Event['data'],
          });
      }
    }
  })();
  const ended = reading.then(
    () => 'ended',
    () => 'cut off',
  );
  return { events, ended, close: () => ending.abort() };
}

/** Puts calls into the log, as the processors do, into partitions in turn. */
async function land(...changes: Partial<MeteredCall>[]): Promise<MeteredCall[]> {
  const rows = changes.map((change) => meteredCall(offset++, change));
  await backends.log.append(rows.map((row, i) => record(row, i % 3)));
  return rows;
}

const ids = (events: readonly Event[]): unknown[] => events.map(({ data }) => data.event_id);

test('calls as they land, as summaries, and nothing that landed before', async () => {
  await land({});
  const stream = await open('/v1/events/stream');
  await backends.log.append([tickRecord(0, Date.now())]);
  const rows = await land({ arguments_text: '{"secret":1}' }, { kind: 'adjustment', calls: 0 });
  await eventually(async () => stream.events.length > 0, 'the call');
  expect(stream.events.map(({ event }) => event)).toEqual(['call']);
  expect(ids(stream.events)).toEqual([rows[0]!.event_id]);
  expect(CallSummarySchema.parse(stream.events[0]!.data)).toMatchObject({
    team: 'search',
    cost_usd: rows[0]!.cost_usd,
  });
  expect(JSON.stringify(stream.events)).not.toContain('secret');
});

test('only what is asked for, by any of the labels, outcomes and vantage points', async () => {
  const stream = await open('/v1/events/stream?team=a&team=b&outcome=ok,denied&vantage=server&counted=true');
  const rows = await land(
    { team: 'a' },
    { team: 'c' },
    { team: 'b', outcome: 'denied' },
    { team: 'b', outcome: 'timeout' },
    { team: 'a', vantage: 'client', counted: false, calls: 0 },
    { team: 'b' },
  );
  await eventually(async () => stream.events.length === 3, 'three calls');
  expect(ids(stream.events).sort()).toEqual([rows[0], rows[2], rows[5]].map((row) => row!.event_id).sort());
});

test('a key of a team sees its team; one that may not read calls sees none', async () => {
  const { key } = backends.keys.create({ name: 'a', role: 'finance', teams: ['mine'] });
  const stream = await open('/v1/events/stream', { authorization: `Bearer ${key}` });
  const [mine] = await land({ team: 'mine' }, { team: 'theirs' });
  await eventually(async () => stream.events.length === 1, 'the call');
  expect(ids(stream.events)).toEqual([mine!.event_id]);
  const viewer = backends.keys.create({ name: 'v', role: 'viewer' });
  const refused = await server.get('/v1/events/stream', { authorization: `Bearer ${viewer.key}` });
  expect([refused.status, await refused.json()]).toEqual([
    403,
    expect.objectContaining({ code: 'TM_FORBIDDEN' }),
  ]);
});

test('whoever comes back with the last id goes on from there: each call once', async () => {
  const first = await open('/v1/events/stream?team=resume');
  const before = await land(...Array.from({ length: 7 }, () => ({ team: 'resume' })));
  await eventually(async () => first.events.length === 7, 'what came first');
  const lastId = first.events.findLast(({ id }) => id !== '')!.id;
  first.close();
  const away = await land(...Array.from({ length: 7 }, () => ({ team: 'resume' })));
  const second = await open('/v1/events/stream?team=resume', { 'last-event-id': lastId });
  const after = await land({ team: 'resume' });
  await eventually(async () => second.events.length >= 8, 'what came meanwhile, and after');
  expect(second.events).toHaveLength(8);
  expect(ids(second.events).sort()).toEqual([...away, ...after].map((row) => row.event_id).sort());
  expect(ids(first.events).sort()).toEqual(before.map((row) => row.event_id).sort());
});

test('who is slow, or was away too long, is told how much was left out', async () => {
  const tail = new CallsTail(backends.log, silentLog);
  const watch = await tail.watch(({ team }) => team === 'flood', null);
  const rows = await land(...Array.from({ length: 1_300 }, () => ({ team: 'flood' })));
  let missed = 0;
  const seen: string[] = [];
  await eventually(async () => {
    const page = await watch.next(100);
    missed += page!.missed;
    seen.push(...page!.calls.map((call) => call.event_id));
    return seen.length + missed === rows.length;
  }, 'all, seen or told of');
  watch.close();
  expect(await watch.next(100)).toBeNull();
  const long = await tail.watch(() => true, new Map([[0, 0n]]));
  const page = await long.next(100);
  expect(page!.calls.length).toBeLessThanOrEqual(1_000);
  expect(page!.calls.length).toBeGreaterThan(0);
  await tail.close();
  expect(await long.next(100)).toBeNull();
});

test('nothing reads the log once nobody watches', async () => {
  let asked = 0;
  const { log } = backends;
  const counting: TailedLog = {
    schedule: () => log.schedule(),
    watermarks: (topic, partition) => log.watermarks(topic, partition),
    scan: (topic, partition, from) => {
      asked++;
      return log.scan(topic, partition, from);
    },
  };
  const tail = new CallsTail(counting, silentLog);
  const watch = await tail.watch(() => true, null);
  await eventually(async () => asked > 0, 'a look');
  watch.close();
  await tail.close();
  const before = asked;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(asked).toBe(before);
});

test('an id of somebody else, and a stream too many, are told so', async () => {
  const strange = await server.get('/v1/events/stream', { 'last-event-id': '17' });
  expect([strange.status, await strange.json()]).toEqual([
    400,
    expect.objectContaining({ code: 'TM_PARAMETER_INVALID' }),
  ]);
  const unknown = await server.get('/v1/events/stream?teem=a');
  expect([unknown.status, await unknown.json()]).toEqual([
    400,
    expect.objectContaining({ code: 'TM_PARAMETER_INVALID' }),
  ]);
  const own = await backends.start();
  for (let i = 0; i < 64; i++) await open('/v1/events/stream', {}, own);
  const full = await own.get('/v1/events/stream');
  expect([full.status, await full.json()]).toEqual([503, expect.objectContaining({ code: 'TM_BUSY' })]);
  for (const close of closing.splice(0)) close();
  await eventually(async () => {
    const again = await own.get('/v1/events/stream');
    await again.body?.cancel();
    return again.status === 200;
  }, 'a place for the next');
});

test('a server that ends ends its streams', async () => {
  const own = await backends.start();
  const stream = await open('/v1/events/stream', {}, own);
  await own.app.close();
  expect(await stream.ended).toBe('ended');
});

test('positions are text and back; other text is refused', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.nat(99_999).map(String), fc.bigInt(0n, 10n ** 18n)), (given) => {
      const positions = new Map(Object.entries(given).map(([key, value]) => [Number(key), value]));
      if (positions.size > 0) expect(parsePositions(formatPositions(positions))).toEqual(positions);
    }),
  );
  for (const text of ['', '1', '1-', '-1', '1-2.', 'a-1', '1-2 3-4', '9'.repeat(100_000)])
    expect(parsePositions(text)).toBeNull();
});
