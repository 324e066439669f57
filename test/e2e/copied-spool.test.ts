import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type ForwardingOutbox, openOutbox } from '../../collectors/spool/index.ts';
import { openHome } from '../../core/home.ts';
import { sleep } from '../../core/retry.ts';
import { observedCall } from '../support/events.ts';
import {
  freePort,
  type RunningProcess,
  scratchFolder,
  startToolmeter,
  untilReady,
} from '../support/toolmeter.ts';

const scratch = scratchFolder();
const outboxes: ForwardingOutbox[] = [];
let running: RunningProcess | undefined;
afterAll(async () => {
  for (const outbox of outboxes) await outbox.close(0);
  await running?.kill('SIGTERM');
  scratch.remove();
});

/**
 * A virtual machine is cloned while a collector on it waits for its ingest, and both go on: the numbers fork, and what
 * the copy had of the original's is sent by both.
 */
it('a spool that is copied to a second machine while the first goes on: every event lands once', {
  timeout: 120_000,
}, async () => {
  const home = join(scratch.path, 'home');
  const { collectorToken } = openHome(home);
  const url = `http://127.0.0.1:${await freePort()}`;
  const ids: string[] = [];
  const start = (machine: string): ForwardingOutbox => {
    const spools = join(scratch.path, machine);
    mkdirSync(spools, { recursive: true });
    const outbox = openOutbox({
      home: { spools, collectorToken },
      destination: { kind: 'http', url },
      machine,
    });
    outboxes.push(outbox);
    return outbox;
  };
  const begin = (outbox: ForwardingOutbox): { end(): void } => {
    let outcome: 'lost' | 'ok' = 'lost';
    const event = observedCall();
    const call = { event: () => ({ ...event, outcome }) };
    ids.push(event.event_id);
    outbox.begin(call);
    return {
      end: () => {
        outcome = 'ok';
        outbox.end(call);
      },
    };
  };

  const first = start('first');
  for (let i = 0; i < 20; i++) begin(first).end();
  const open = [begin(first), begin(first)];
  await first.flush();
  cpSync(join(scratch.path, 'first'), join(scratch.path, 'second'), { recursive: true });
  const second = start('second');
  for (let i = 0; i < 20; i++) {
    begin(first).end();
    begin(second).end();
  }
  for (const call of open) call.end();
  await Promise.all([first.flush(), second.flush()]);

  running = startToolmeter(['up'], {
    TOOLMETER_HOME: home,
    TOOLMETER_API_PORT: new URL(url).port,
    TOOLMETER_TELEMETRY_LEVEL: 'warn',
  });
  await untilReady(url, running);
  for (const outbox of outboxes) {
    await outbox.close(30_000);
    expect(outbox.stats()).toMatchObject({ spooled: 0, dropped: 0 });
  }

  const from = new Date(Date.now() - 3_600_000).toISOString();
  const to = new Date(Date.now() + 3_600_000).toISOString();
  const rows = async (): Promise<{ event_id: string; outcome: string }[]> => {
    const response = await fetch(`${url}/v1/calls?from=${from}&to=${to}&limit=1000`);
    return ((await response.json()) as { rows: { event_id: string; outcome: string }[] }).rows;
  };
  for (const deadline = Date.now() + 30_000; Date.now() < deadline && (await rows()).length < ids.length; )
    await sleep(100);
  await sleep(1_000);
  const landed = await rows();
  expect(landed.map(({ event_id }) => event_id).sort()).toEqual([...ids].sort());
  // The copy ends nothing: what was open on the first machine ended there.
  expect(new Set(landed.map(({ outcome }) => outcome))).toEqual(new Set(['ok']));
  const ledger = (await (await fetch(`${url}/v1/completeness`)).json()) as {
    missing_count: number;
    dead: number;
  };
  expect(ledger).toMatchObject({ missing_count: 0, dead: 0 });
});
