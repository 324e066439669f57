import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openHome } from '../../core/home.ts';
import { uuidv7 } from '../../core/ids.ts';
import { sleep } from '../../core/retry.ts';
import type { DeadLettersResult } from '../../schemas/api.ts';
import { observedCall } from '../support/events.ts';
import {
  freePort,
  type RunningProcess,
  scratchFolder,
  startToolmeter,
  untilReady,
} from '../support/toolmeter.ts';

/** Every kind of bad event through the real ingest of a real `toolmeter up`, among good ones. */
describe('bad input', () => {
  const scratch = scratchFolder();
  let running: RunningProcess;
  let url = '';
  let token = '';
  const home = join(scratch.path, 'home');
  const at = { instance: uuidv7(), epoch: uuidv7(), lane: 0 };
  let seq = 0;

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    running = startToolmeter(['up'], {
      TOOLMETER_HOME: home,
      TOOLMETER_API_PORT: String(port),
      TOOLMETER_TELEMETRY_LEVEL: 'warn',
    });
    await untilReady(url, running);
    token = openHome(home).collectorToken;
    await post([{ kind: 'open', at }]);
  });

  afterAll(async () => {
    await running.kill('SIGTERM');
    scratch.remove();
  });

  /** Posts lines as a collector does: events are texts, numbered here. */
  async function post(
    lines: readonly (object | string)[],
  ): Promise<{ accepted: number; rejected: { code: string }[] }> {
    const body = lines
      .map((line) =>
        typeof line === 'string'
          ? `{"kind":"event","at":${JSON.stringify({ ...at, seq: ++seq })},"event":${line}}`
          : JSON.stringify(line),
      )
      .join('\n');
    const response = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body,
    });
    expect(response.status, await response.clone().text()).toBe(202);
    return (await response.json()) as { accepted: number; rejected: { code: string }[] };
  }

  const range = (): string =>
    `from=${new Date(Date.now() - 3_600_000).toISOString()}&to=${new Date(Date.now() + 3_600_000).toISOString()}`;

  async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean): Promise<T> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const answer = await ask();
      if (done(answer) || Date.now() > deadline) return answer;
      await sleep(100);
    }
  }

  const stored = async (id: string): Promise<{ status: number; call: Record<string, unknown> }> => {
    const response = await fetch(`${url}/v1/calls/${id}`);
    return {
      status: response.status,
      call: ((await response.json()) as { call: Record<string, unknown> }).call,
    };
  };
  const deadLetters = async (): Promise<DeadLettersResult> =>
    (await fetch(`${url}/v1/dead-letters?${range()}`)).json() as Promise<DeadLettersResult>;

  it('becomes dead letters with a code and a hint, one each, and the good go on', async () => {
    const good = observedCall();
    const bad: [string, string][] = [
      ['TM_EVENT_SCHEMA', '{}'],
      ['TM_EVENT_SCHEMA', JSON.stringify({ ...observedCall(), surprise: 1 })],
      ['TM_EVENT_VERSION', JSON.stringify({ ...observedCall(), schema_version: 99 })],
      [
        'TM_EVENT_FUTURE',
        JSON.stringify(observedCall({ started_at: new Date(Date.now() + 3_600_000).toISOString() })),
      ],
      ['TM_EVENT_PAST', JSON.stringify(observedCall({ started_at: '2001-01-01T00:00:00Z' }))],
      [
        'TM_EVENT_SCHEMA',
        `{"schema_version":1,"kind":"call","tags":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
      ],
    ];
    await post([...bad.map(([, text]) => text), JSON.stringify(good)]);
    const letters = await until(deadLetters, ({ rows }) => rows.length >= bad.length);
    expect(letters.rows.map(({ code }) => code).sort()).toEqual(bad.map(([code]) => code).sort());
    for (const letter of letters.rows) {
      expect(letter.message).not.toBe('');
      expect(letter.hint).not.toBe('');
    }
    expect(
      (
        await until(
          () => stored(good.event_id),
          ({ status }) => status === 200,
        )
      ).status,
    ).toBe(200);
  });

  it('takes text that is hard to keep: NUL, lone surrogates, what no tokenizer likes', async () => {
    const texts = [
      '{"a":"\\u0000"}',
      '{"a":"\\ud800"}',
      `{"a":"${'a'.repeat(60_000)}"}`,
      '{"a":"<|endoftext|><|im_start|>"}',
    ];
    const events = texts.map((text) =>
      observedCall({ arguments: { state: 'captured', bytes: text.length, text, source: 'wire' } }),
    );
    await post(events.map((event) => JSON.stringify(event)));
    for (const event of events) {
      const { status, call } = await until(
        () => stored(event.event_id),
        (answer) => answer.status === 200,
      );
      expect(status).toBe(200);
      expect(call.tokens_arguments).toBeGreaterThan(0);
    }
  });

  it('counts what is sent again once, by number and by id', async () => {
    const numbered = observedCall();
    const line = JSON.stringify(numbered);
    await post([line]);
    seq--;
    await post([line]);
    const foreign = JSON.stringify(observedCall());
    for (let i = 0; i < 2; i++) {
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: foreign,
      });
      expect(response.status).toBe(202);
    }
    await until(
      () => stored((JSON.parse(foreign) as { event_id: string }).event_id),
      ({ status }) => status === 200,
    );
    await sleep(500);
    const calls = (await (await fetch(`${url}/v1/calls?${range()}&limit=1000`)).json()) as {
      rows: { event_id: string }[];
    };
    const ids = calls.rows.map(({ event_id }) => event_id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain(numbered.event_id);
  });

  it('refuses what is not an event at the door, with the reason', async () => {
    const send = (body: string, headers: Record<string, string> = {}) =>
      fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
        body,
      });
    for (const [body, status] of [
      ['{', 400],
      ['NaN', 400],
    ] as const) {
      const response = await send(body);
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
    }
    expect((await send('{}', { authorization: 'Bearer nobody' })).status).toBe(401);
    const refused = await send('{"schema_version":1}');
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({
      code: 'TM_EVENTS_REJECTED',
      errors: [{ parameter: '[0]', message: expect.stringContaining('TM_EVENT_SCHEMA') }],
    });
  });

  it('leaves out content of 10 MB, and keeps the event', async () => {
    const text = JSON.stringify({ blob: 'word '.repeat(2_000_000) });
    const event = observedCall({
      arguments: { state: 'captured', bytes: text.length, text, source: 'wire' },
    });
    const { accepted, rejected } = await post([JSON.stringify(event)]);
    // Too large for the log: the sender is told so, and sends it again without its content.
    expect({ accepted, codes: rejected.map(({ code }) => code) }).toEqual({
      accepted: 0,
      codes: ['TM_RECORD_TOO_LARGE'],
    });
    seq--;
    const stripped = { ...event, arguments: { state: 'omitted', bytes: text.length } };
    await post([JSON.stringify(stripped)]);
    expect(
      (
        await until(
          () => stored(event.event_id),
          ({ status }) => status === 200,
        )
      ).call.arguments_bytes,
    ).toBe(text.length);
  });

  it('has a ledger without holes at the end', async () => {
    const ask = async (): Promise<{ missing_count: number; dead: number }> =>
      (await fetch(`${url}/v1/completeness`)).json() as Promise<{ missing_count: number; dead: number }>;
    expect(await until(ask, ({ missing_count, dead }) => missing_count === 0 && dead === 6)).toMatchObject({
      missing_count: 0,
      dead: 6,
    });
  });
});
