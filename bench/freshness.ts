/**
 * `npm run bench:freshness [-- --json] [-- --rate N] [-- --seconds N]`: from a call's end to its row in `GET /v1/calls`, at
 * a steady rate, everything in one `toolmeter up`. The API is asked every 100 ms: that pause is in the numbers.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openOutbox } from '../collectors/spool/index.ts';
import { openHome } from '../core/home.ts';
import { uuidv7 } from '../core/ids.ts';
import { sleep } from '../core/retry.ts';
import type { CallsResult } from '../schemas/api.ts';
import { freePort, scratchFolder, startToolmeter, untilReady } from '../test/support/toolmeter.ts';
import { mixedCalls } from './load.ts';
import { conditions, emit, median, percentile } from './support.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '20' },
  },
});
const rate = Number(values.rate);
const seconds = Number(values.seconds);
const PAUSE_MS = 100;
const PAGE = 1_000;
/** Not measured: the first calls meet cold caches. */
const WARM_UP_S = 3;

const scratch = scratchFolder('toolmeter-bench-');
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const env = {
  TOOLMETER_HOME: join(scratch.path, 'home'),
  TOOLMETER_API_PORT: String(port),
  TOOLMETER_TELEMETRY_LEVEL: 'warn',
};
const running = startToolmeter(['up'], env);
const waiting = new Map<string, number>();
const latenciesMs: number[] = [];

/** Notes the time of each call that the newest page shows for the first time. */
async function look(measureFromMs: number): Promise<void> {
  const from = new Date(Date.now() - 120_000).toISOString();
  const to = new Date(Date.now() + 60_000).toISOString();
  const response = await fetch(`${url}/v1/calls?from=${from}&to=${to}&limit=${PAGE}`);
  if (!response.ok) return;
  const { rows } = (await response.json()) as CallsResult;
  const now = performance.now();
  for (const { event_id } of rows) {
    const endedAt = waiting.get(event_id);
    if (endedAt === undefined) continue;
    waiting.delete(event_id);
    if (endedAt >= measureFromMs) latenciesMs.push(now - endedAt);
  }
}

try {
  await untilReady(url, running);
  const home = openHome(env.TOOLMETER_HOME);
  const outbox = openOutbox({ home, destination: { kind: 'http', url } });
  const calls = mixedCalls(rate * (seconds + WARM_UP_S));
  const begun = performance.now();
  const measureFromMs = begun + WARM_UP_S * 1000;
  let made = 0;
  let looking = true;
  const looks = (async () => {
    while (looking) {
      await look(measureFromMs);
      await sleep(PAUSE_MS);
    }
  })();
  while (made < rate * (seconds + WARM_UP_S)) {
    const due = Math.min(
      rate * (seconds + WARM_UP_S),
      Math.ceil(((performance.now() - begun) / 1000) * rate),
    );
    for (; made < due; made++) {
      const call = calls.next().value;
      if (call === undefined) break;
      const event = { ...call, event_id: uuidv7(), started_at: new Date().toISOString(), duration_us: 0 };
      waiting.set(event.event_id, performance.now());
      outbox.end({ event: () => event });
    }
    await sleep(1);
  }
  const deadline = Date.now() + 10_000;
  while (waiting.size > 0 && Date.now() < deadline) await sleep(50);
  looking = false;
  await looks;
  await outbox.close();
  const unseen = waiting.size;
  // A call that no page ever showed was later than all that were: it counts as the longest wait.
  for (let i = 0; i < unseen; i++) latenciesMs.push(10_000);
  const p = (share: number): number => percentile(latenciesMs, share);
  const row = (measure: string, value: number) => ({ measure, median: value, min: value, max: value });
  emit({
    name: 'freshness',
    rows: [
      row('p50, ms', median(latenciesMs)),
      row('p95, ms', p(0.95)),
      row('p99, ms', p(0.99)),
      row('most, ms', Math.max(...latenciesMs)),
      row('not seen', unseen),
    ],
    metrics: {
      p50_ms: median(latenciesMs),
      p95_ms: p(0.95),
      p99_ms: p(0.99),
      unseen,
      calls: latenciesMs.length,
    },
    conditions: { ...conditions(), calls_per_s: rate, seconds, poll_ms: PAUSE_MS },
    json: values.json === true,
  });
} finally {
  await running.kill('SIGTERM');
  scratch.remove();
}
