import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openHome } from '../../core/home.ts';
import { sleep } from '../../core/retry.ts';
import type { SpendResult } from '../../schemas/api.ts';
import type { ObservedCall } from '../../schemas/call-event.ts';
import { observedCall } from '../support/events.ts';
import {
  freePort,
  type RunningProcess,
  scratchFolder,
  startToolmeter,
  untilReady,
} from '../support/toolmeter.ts';

const DAY_MS = 86_400_000;

/** The commands beside a real `toolmeter up`, whose directory and dead letters change under it. */
describe('beside a running toolmeter', () => {
  const scratch = scratchFolder();
  const home = join(scratch.path, 'home');
  const directory = join(scratch.path, 'teams.yaml');
  const config = join(scratch.path, 'toolmeter.yaml');
  let running: RunningProcess;
  let url = '';
  let token = '';

  const teams = (team: string): string => `
rules:
  - id: night-shift
    when: { collector: "${token.split('_')[1] ?? '*'}", tags: { app: straße* } }
    valid_to: 2026-01-01
    team: before
  - id: day-shift
    when: { collector: "${token.split('_')[1] ?? '*'}", tags: { app: straße* } }
    valid_from: 2026-01-01
    team: ${team}
`;

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    token = openHome(home).collectorToken;
    writeFileSync(directory, teams('first'));
    writeFileSync(config, `api: { port: ${port} }\ndirectory: teams.yaml\ntelemetry: { level: warn }\n`);
    running = startToolmeter(['up', '--config', config, '--home', home], {});
    await untilReady(url, running);
  });
  afterAll(async () => {
    await running.kill('SIGTERM');
    scratch.remove();
  });

  /** A command as a process of its own, until it ends. */
  async function toolmeter(...args: string[]): Promise<{ status: number | null; output: string }> {
    const command = startToolmeter([...args, '--config', config, '--home', home], {});
    await new Promise((ended) => command.child.once('close', ended));
    return { status: command.child.exitCode, output: command.output() };
  }

  async function post(change: Partial<ObservedCall>): Promise<void> {
    const event = observedCall({
      tags: { app: 'STRASSE-7' },
      started_at: new Date().toISOString(),
      ...change,
    });
    const response = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    expect(response.status, await response.clone().text()).toBe(202);
  }

  async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean): Promise<T> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const answer = await ask();
      if (done(answer) || Date.now() > deadline) return answer;
      await sleep(100);
    }
  }

  async function callsByTeam(): Promise<Record<string, number>> {
    const range = `from=${new Date(Date.now() - 30 * DAY_MS).toISOString()}`;
    const { rows } = (await (await fetch(`${url}/v1/spend?${range}`)).json()) as SpendResult;
    return Object.fromEntries(rows.map(({ group, calls }) => [group.team, calls]));
  }

  const ready = async () => {
    const response = await fetch(`${url}/readyz`);
    return {
      code: response.status,
      ...((await response.json()) as {
        not_ready: string[];
        parts: { name: string; ok: boolean; detail: string }[];
      }),
    };
  };

  it('a call is attributed by the rule of its time and its token, and a changed directory from then on', async () => {
    await post({});
    expect(await until(callsByTeam, (teams) => teams.first === 1)).toEqual({ first: 1 });
    const loaded = async () => (await ready()).parts.find(({ name }) => name === 'directory')?.detail;
    const before = await loaded();
    writeFileSync(directory, teams('second'));
    await until(loaded, (detail) => detail !== before);
    await post({});
    expect(await until(callsByTeam, (teams) => teams.second === 1)).toEqual({ first: 1, second: 1 });
  });

  it('a bad directory leaves the last good one in use, and alarms', async () => {
    writeFileSync(directory, `${teams('third')}    taem: x\n`);
    const told = await until(ready, ({ code }) => code === 503);
    expect([told.code, told.not_ready]).toEqual([503, ['directory']]);
    expect(told.parts.find(({ name }) => name === 'directory')?.detail).toMatch(/teams\.yaml:11:5: .*taem/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(running.output()).toContain('the last good one stays in use');
    const { status, output } = await toolmeter('doctor');
    expect(status).toBe(1);
    expect(output).toMatch(/FAIL {2}configuration +\S*teams\.yaml:11:5: .*taem.* is not a known key/);
    expect(output).toMatch(/FAIL {2}api +\S+ is not ready: directory: the last good directory/);
    await post({});
    expect(await until(callsByTeam, (teams) => teams.second === 2)).toEqual({ first: 1, second: 2 });

    writeFileSync(directory, teams('third'));
    expect((await until(ready, ({ code }) => code === 200)).code).toBe(200);
    const healthy = await toolmeter('doctor');
    expect([healthy.status, healthy.output]).toEqual([0, expect.stringContaining(`${url} is ready`)]);
    await post({});
    expect((await until(callsByTeam, (teams) => teams.third === 1)).third).toBe(1);
  });

  it('a dead letter is listed, and becomes a call once, however often it is replayed', async () => {
    const before = await callsByTeam();
    // From outside, and older than ids are remembered: only its owner can say that it is no duplicate.
    await post({ started_at: new Date(Date.now() - 3 * DAY_MS).toISOString(), tool: 'late' });
    const list = async () => (await toolmeter('dlq', 'list', '--json')).output.trim();
    const line = await until(list, (text) => text.includes('"code"'));
    const letter = JSON.parse(line) as { id: string; code: string; hint: string };
    expect(letter).toMatchObject({ id: '0:0', code: 'TM_EVENT_FOREIGN_LATE' });
    expect((await toolmeter('dlq', 'list')).output).toMatch(/^0:0 +\S+ +TM_EVENT_FOREIGN_LATE /m);
    expect((await toolmeter('dlq', 'list', '--code', 'TM_OTHER')).output).toBe('No dead letters.\n');

    const unknown = await toolmeter('dlq', 'replay', '--id', '0:0', '--id', '0:99');
    expect([unknown.status, unknown.output]).toEqual([
      2,
      expect.stringMatching(/no dead letter 0:99\. .*TM_DLQ_UNKNOWN/),
    ]);
    for (const args of [['--id', '0:0'], ['--code', 'TM_EVENT_FOREIGN_LATE'], ['--all']])
      expect(await toolmeter('dlq', 'replay', ...args)).toEqual({ status: 0, output: '1 replayed.\n' });
    // A call after the replays: when it is there, they have been worked off.
    await post({ tool: 'after' });
    const third = (before.third ?? 0) + 2;
    expect((await until(callsByTeam, (teams) => teams.third === third)).third).toBe(third);
    const lateCalls = await fetch(`${url}/v1/calls?tool=late`);
    expect(((await lateCalls.json()) as { rows: unknown[] }).rows).toHaveLength(1);
  });
});
