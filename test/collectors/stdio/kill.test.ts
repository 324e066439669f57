import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeLine } from '../../../collectors/spool/wire.ts';
import type { ObservedCall } from '../../../schemas/call-event.ts';
import type { RawRecord } from '../../../schemas/raw-record.ts';
import { gone, type Running, scratch, start, WRAP } from './harness.ts';

const folder = scratch();
const started: Running[] = [];

/** An ingest that refuses while it is down, and keeps what it takes. */
const ingest = { up: false, records: [] as RawRecord[], server: undefined as Server | undefined, url: '' };

beforeAll(async () => {
  ingest.server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (!ingest.up) {
        response.writeHead(503).end();
        return;
      }
      const lines = Buffer.concat(chunks).toString().trim().split('\n');
      for (const line of lines) {
        const record = decodeLine(line, { collector: 'test', trusted: false });
        if ('problem' in record) throw new Error(record.problem);
        ingest.records.push(record);
      }
      response.writeHead(202).end(JSON.stringify({ accepted: lines.length, rejected: [] }));
    });
  });
  await new Promise<void>((done) => ingest.server?.listen(0, '127.0.0.1', done));
  ingest.url = `http://127.0.0.1:${(ingest.server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  for (const { process } of started) process.kill('SIGKILL');
  ingest.server?.closeAllConnections();
  await new Promise((done) => ingest.server?.close(done));
  folder.remove();
});

/** Answers at once, but for `hang`, which it never answers. */
const SERVER = folder.script(`
  let text = '';
  process.stderr.write('pid=' + process.pid + ';');
  process.stdin.setEncoding('utf8').on('data', (chunk) => {
    const lines = (text + chunk).split('\\n');
    text = lines.pop();
    for (const line of lines) {
      const { id, params } = JSON.parse(line);
      if (params.name !== 'hang') process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [] } }) + '\\n');
    }
  }).on('end', () => process.exit(0));`);

function wrap(home: string): Running {
  const env = { ...process.env, TOOLMETER_HOME: home, TOOLMETER_URL: ingest.url };
  const run = start(process.execPath, [WRAP, '--', process.execPath, SERVER], { env });
  started.push(run);
  return run;
}

/**
 * An event is committed milliseconds after its call's end, once the wrapper has loaded what commits it; on a busy
 * machine that may take a while.
 */
const SURE_MS = 2_500;

const ask = (run: Running, id: string, name: string): void => {
  const message = { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } };
  run.process.stdin?.write(`${JSON.stringify(message)}\n`);
};
const answered = (run: Running, id: string): Promise<void> =>
  run.until((out) => out.includes(`"id":"${id}"`));

/**
 * Outcomes by request id. A batch that was taken and not yet forgotten when its sender was killed comes again: the same
 * number then stands for the same event, which is what dedupe goes by.
 */
function landed(): Record<string, string> {
  const byPlace = new Map<string, string>();
  for (const { kind, at, value } of ingest.records) {
    if (kind !== 'event') continue;
    const place = JSON.stringify(at);
    expect(byPlace.get(place) ?? value.toString()).toBe(value.toString());
    byPlace.set(place, value.toString());
  }
  const calls = [...byPlace.values()].map((value) => JSON.parse(value) as ObservedCall);
  const ids = calls.map((call) => call.request_id?.value);
  expect(new Set(ids).size).toBe(ids.length);
  return Object.fromEntries(calls.map((call) => [call.request_id?.value, call.outcome]));
}

async function until(test: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; !test(); ) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}; landed: ${JSON.stringify(landed())}`);
    await new Promise((next) => setTimeout(next, 25));
  }
}

describe.skipIf(process.platform === 'win32')('a wrapper that is killed in the middle of a call', () => {
  test('leaves its calls to the next one: what had ended as it ended, the open one as lost', async () => {
    const home = `${folder.home}-1`;
    ingest.up = false;
    ingest.records = [];
    const first = wrap(home);
    await first.until((_, err) => err.includes(';'));
    ask(first, 'done', 'echo');
    await answered(first, 'done');
    ask(first, 'open', 'hang');
    await new Promise((next) => setTimeout(next, 1_500));
    first.process.kill('SIGKILL');
    await gone(Number(/pid=(\d+)/.exec(first.err())?.[1]), 10_000);
    expect(ingest.records).toEqual([]);

    ingest.up = true;
    const second = wrap(home);
    ask(second, 'next', 'echo');
    await answered(second, 'next');
    await until(() => Object.keys(landed()).length >= 3, 'three calls');
    second.process.stdin?.end();
    expect(await second.exit).toBe(0);
    expect(landed()).toEqual({ done: 'ok', open: 'lost', next: 'ok' });
  });

  test('at any moment: what was answered well before is there, and nothing twice', {
    timeout: 120_000,
  }, async () => {
    const home = `${folder.home}-2`;
    ingest.up = true;
    ingest.records = [];
    const certain: string[] = [];
    for (let round = 0; round < 3; round++) {
      const run = wrap(home);
      await run.until((_, err) => err.includes(';'));
      const killAt = Date.now() + SURE_MS + Math.random() * 500;
      const seen: { id: string; at: number }[] = [];
      const sure = (): boolean => seen.length > 1 && Date.now() - seen[1]!.at > SURE_MS;
      for (let i = 0; Date.now() < killAt || !sure(); i++) {
        ask(run, `${round}-${i}`, 'echo');
        await answered(run, `${round}-${i}`);
        seen.push({ id: `${round}-${i}`, at: Date.now() });
      }
      ask(run, `${round}-open`, 'hang');
      await new Promise((next) => setTimeout(next, Math.random() * 10));
      run.process.kill('SIGKILL');
      const killedAt = Date.now();
      await run.exit;
      certain.push(...seen.filter(({ at }) => at < killedAt - SURE_MS).map(({ id }) => id));
    }
    const last = wrap(home);
    ask(last, 'last', 'echo');
    await answered(last, 'last');
    await until(
      () => certain.every((id) => landed()[id] === 'ok') && landed().last === 'ok',
      'all that is certain',
    );
    last.process.stdin?.end();
    expect(await last.exit).toBe(0);
    expect(certain.length).toBeGreaterThanOrEqual(6);
    const others = Object.entries(landed()).filter(([, outcome]) => outcome !== 'ok');
    for (const [id, outcome] of others)
      expect([id, outcome]).toEqual([expect.stringMatching(/-open$|-\d+$/), 'lost']);
  });
});
