import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { httpSender } from '../../../collectors/spool/http-sender.ts';
import { destinationFromEnv, openOutbox } from '../../../collectors/spool/index.ts';
import { decodeLine } from '../../../collectors/spool/wire.ts';
import { uuidv7 } from '../../../core/ids.ts';
import type { CallEvent } from '../../../schemas/call-event.ts';
import type { RawRecord } from '../../../schemas/raw-record.ts';
import { homeIn, scratch, TestCall, until } from './support.ts';

const lane = { collector: 'test', instance: 'i', epoch: uuidv7(), lane: 0 };
const batch = (count: number): RawRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    kind: 'event',
    at: { ...lane, seq: i + 1 },
    trusted: false,
    value: `{"n":${i}}`,
  }));
const signal = new AbortController().signal;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(
  answer: (lines: string[], response: ServerResponse, request: IncomingMessage) => void,
): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    answer(Buffer.concat(chunks).toString('utf8').split('\n').filter(Boolean), response, request);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const accept = (response: ServerResponse, accepted: number, rejected: object[] = []): void => {
  response.writeHead(202).end(JSON.stringify({ accepted, rejected }));
};

test('posts lines with the token to /v1/events under the given URL, over one connection', async () => {
  const seen: unknown[] = [];
  const sockets = new Set<unknown>();
  const url = await serve((lines, response, request) => {
    sockets.add(request.socket);
    seen.push([
      request.method,
      request.url,
      request.headers.authorization,
      request.headers['content-type'],
      lines.length,
    ]);
    accept(response, lines.length);
  });
  const sender = httpSender(`${url}/base/?x=1`, 'tmc_x');
  for (let i = 0; i < 3; i++)
    expect(await sender.send(batch(2), signal)).toEqual([{ kind: 'done' }, { kind: 'done' }]);
  await sender.close();
  expect(seen).toEqual(Array(3).fill(['POST', '/base/v1/events', 'Bearer tmc_x', 'application/x-ndjson', 2]));
  expect(sockets.size).toBe(1);
});

test('says of each record what became of it', async () => {
  const url = await serve((lines, response) =>
    accept(response, lines.length - 2, [
      { index: 0, code: 'TM_RECORD_TOO_LARGE', message: 'm', hint: 'h' },
      { index: 2, code: 'TM_OTHER', message: 'm', hint: 'h' },
      { index: 99, code: 'TM_OTHER' },
    ]),
  );
  const sender = httpSender(url, 't');
  expect(await sender.send(batch(4), signal)).toEqual([
    { kind: 'too_large' },
    { kind: 'done' },
    { kind: 'rejected', code: 'TM_OTHER', message: 'm' },
    { kind: 'done' },
  ]);
  await sender.close();
});

test('halves a batch that is too large, in order, down to the one record that is', async () => {
  const taken: number[] = [];
  const url = await serve((lines, response) => {
    const records = lines.map((line) => decodeLine(line, { collector: 'c', trusted: false }) as RawRecord);
    if (lines.length > 2 || records.some(({ at }) => at?.seq === 3)) return response.writeHead(413).end();
    taken.push(...records.map(({ at }) => at?.seq as number));
    return accept(response, lines.length);
  });
  const sender = httpSender(url, 't');
  const results = await sender.send(batch(7), signal);
  expect(results.map(({ kind }) => kind)).toEqual([
    'done',
    'done',
    'too_large',
    'done',
    'done',
    'done',
    'done',
  ]);
  expect(taken).toEqual([1, 2, 4, 5, 6, 7]);
  await sender.close();
});

test.each([
  [401, 'TOOLMETER_TOKEN'],
  [403, 'TOOLMETER_TOKEN'],
  [404, 'TOOLMETER_URL'],
  [429, 'toolmeter up'],
  [500, 'toolmeter up'],
  [200, 'toolmeter up'],
  [301, 'toolmeter up'],
])('takes nothing but a 202 for taken: %i is tried again, with a hint', async (status, hint) => {
  const url = await serve((_, response) => {
    response.writeHead(status, { location: '/elsewhere' }).end('{"accepted":1,"rejected":[]}');
  });
  const sender = httpSender(url, 't');
  await expect(sender.send(batch(1), signal)).rejects.toMatchObject({
    code: 'TM_INGEST_UNAVAILABLE',
    hint: expect.stringContaining(hint),
  });
  await sender.close();
});

test('a 202 of something else, a connection that breaks, and nobody there: all unknown', async () => {
  const other = httpSender(await serve((_, response) => response.writeHead(202).end('fine')), 't');
  const broken = httpSender(await serve((_, response) => response.destroy()), 't');
  const nobody = httpSender('http://127.0.0.1:1', 't');
  for (const sender of [other, broken, nobody]) {
    await expect(sender.send(batch(1), signal)).rejects.toMatchObject({ code: 'TM_INGEST_UNAVAILABLE' });
    await sender.close();
  }
});

test('an outbox over HTTP: each batch opens its lanes, and what is too large goes without its content', async () => {
  const folder = scratch();
  const batches: RawRecord[][] = [];
  const url = await serve((lines, response) => {
    const rejected = lines.flatMap((line, index) =>
      line.length > 5_000 ? [{ index, code: 'TM_RECORD_TOO_LARGE', message: '', hint: '' }] : [],
    );
    batches.push(
      lines
        .filter((line) => line.length <= 5_000)
        .map((line) => decodeLine(line, { collector: 'c', trusted: false }) as RawRecord),
    );
    accept(response, lines.length - rejected.length, rejected);
  });
  const outbox = openOutbox({ home: homeIn(folder.path), destination: { kind: 'http', url }, lingerMs: 0 });
  const large = new TestCall({
    result: { state: 'captured', bytes: 9_000, text: `"${'x'.repeat(9_000)}"`, source: 'wire' },
  });
  for (const call of [new TestCall(), large, new TestCall()]) {
    call.outcome = 'ok';
    outbox.end(call);
    await outbox.flush();
    const sent = outbox.stats().published;
    await until(() => outbox.stats().published > sent || outbox.stats().spooled === 0);
  }
  await outbox.close();
  folder.remove();

  const events = batches.flat().filter(({ kind }) => kind === 'event');
  expect(events.map(({ at }) => at?.seq)).toEqual([1, 2, 3]);
  expect(events.map(({ stripped }) => stripped === true)).toEqual([false, true, false]);
  expect(JSON.parse(events[1]?.value.toString() ?? '') as CallEvent).toMatchObject({
    result: { state: 'omitted', bytes: 9_000 },
  });
  for (const batch of batches.filter((batch) => batch.some(({ stripped }) => !stripped)))
    expect(batch[0]?.kind).toBe('open');
});

test('the environment names the destination', () => {
  expect(destinationFromEnv({})).toEqual({ kind: 'http', url: 'http://127.0.0.1:7077' });
  expect(
    destinationFromEnv({ TOOLMETER_URL: 'http://x', TOOLMETER_TOKEN: 't', KAFKA_BROKERS: ' , ' }),
  ).toEqual({
    kind: 'http',
    url: 'http://x',
    token: 't',
  });
  expect(destinationFromEnv({ KAFKA_BROKERS: 'b:1, a:1' })).toMatchObject({
    kind: 'log',
    id: 'kafka:a:1,b:1',
  });
  expect(destinationFromEnv({ KAFKA_BROKERS: 'a:1', TOOLMETER_BROKERS: 'c:1' })).toMatchObject({
    id: 'kafka:c:1',
  });
});
