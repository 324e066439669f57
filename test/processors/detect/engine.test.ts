import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../../../bench/load.ts';
import { type Alert, AlertSchema } from '../../../schemas/alert.ts';
import { call, DAY, engineOf, eventId, feed, HOUR, type LoggedCall, MINUTE, SECOND, START } from './calls.ts';

/** Low limits, so that small streams reach them. */
const RULES = `
allowed_lateness_s: 120
rules:
  - { id: abuse, kind: rate_limit_abuse, rate_per_s: 0.2, burst: 6, limited_calls: 4, episode_s: 600 }
  - { id: loop, kind: runaway_loop, calls: 4, episode_s: 600 }
  - { id: errors, kind: error_rate, window_s: 60, min_calls: 3, min_windows: 3, baseline_windows: 10, fire_z: 2, resolve_z: 1, episode_s: 600 }
  - { id: slow, kind: latency, window_s: 60, min_calls: 3, min_windows: 3, baseline_windows: 10, fire_z: 2, resolve_z: 1, episode_s: 600 }
  - { id: spend, kind: spend_spike, window_s: 600, min_windows: 3, baseline_windows: 5, min_usd: "0.5", episode_s: 600 }
  - { id: new, kind: first_seen, learn_s: 600, episode_s: 3600 }
`;
const LATENESS = 120 * SECOND;
const ids = (alerts: readonly Alert[]): string[] =>
  [...new Set(alerts.filter(({ state }) => state === 'firing').map((alert) => alert.alert_id))].sort();

/** An hour of three callers who are calm, loop, fail or spend by turns, learnt at once. */
function stream(seed: number, count = 900): LoggedCall[] {
  const next = random(seed);
  const moods = Array.from({ length: 12 }, () => Math.floor(next() * 6));
  return Array.from({ length: count }, (_, i) => {
    const atMs = START + Math.floor((i / count) * HOUR) + Math.floor(next() * 3000);
    const mood = moods[Math.floor((i / count) * 12)];
    return call(atMs, {
      caller: `c${Math.floor(next() * 3)}`,
      tool: mood === 5 && next() < 0.1 ? `t${Math.floor(next() * 5)}` : 'query',
      arguments_hash: mood === 1 ? 'same' : `h${i}`,
      outcome:
        next() < (mood === 2 ? 0.6 : 0.05) ? 'timeout' : mood === 3 && next() < 0.4 ? 'rate_limited' : 'ok',
      duration_us: Math.floor(50_000 * Math.exp(next()) * (mood === 4 ? 20 : 1)),
      cost_usd: mood === 0 ? '0.05' : '0.001',
    });
  }).sort((a, b) => a.recordedMs - b.recordedMs);
}
/** The same calls, each learnt up to the lateness later: in another order. */
function shuffled(calls: readonly LoggedCall[], seed: number, partitions: number): LoggedCall[] {
  const next = random(seed);
  return calls
    .map(({ row, recordedMs }) => ({
      row,
      partition: Math.floor(next() * partitions),
      recordedMs: recordedMs + Math.floor(next() * LATENESS),
    }))
    .sort((a, b) => a.recordedMs - b.recordedMs);
}
const seeds = fc.integer({ min: 1, max: 1_000_000 });

describe('whatever the order of arrival within the lateness', () => {
  it('the same alerts are raised', () => {
    const raised = new Set<string>();
    fc.assert(
      fc.property(seeds, seeds, (seed, order) => {
        const calls = stream(seed);
        const inOrder = feed(engineOf(RULES), calls, START + 4 * HOUR);
        const late = feed(engineOf(RULES, 3), shuffled(calls, order, 3), START + 4 * HOUR, 3);
        for (const { rule } of inOrder) raised.add(rule);
        expect(ids(late)).toEqual(ids(inOrder));
      }),
      { numRuns: 60 },
    );
    expect([...raised].sort()).toEqual(['abuse', 'errors', 'loop', 'new', 'slow', 'spend']);
  });
  it('every alert that fires resolves, and only then fires again', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const states = new Map<string, string>();
        for (const { alert_id, state } of feed(engineOf(RULES), stream(seed), START + 6 * HOUR)) {
          expect(states.get(alert_id) ?? 'resolved').not.toBe(state);
          states.set(alert_id, state);
        }
        expect([...states.values()].every((state) => state === 'resolved')).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a replay', () => {
  it('from the start gives the same records, to the byte', () => {
    const calls = shuffled(stream(11), 12, 1);
    expect(feed(engineOf(RULES), calls, START + 4 * HOUR)).toEqual(
      feed(engineOf(RULES), calls, START + 4 * HOUR),
    );
  });
  it('from any point, after what is known was restored, raises what an engine that never stopped does', () => {
    // Rules whose state a window holds; first_seen and baselines need their whole horizon.
    const rules = RULES.split('\n')
      .filter((line) => !/errors|slow|spend|new/.test(line))
      .join('\n');
    fc.assert(
      fc.property(seeds, fc.integer({ min: 300, max: 850 }), (seed, stop) => {
        const calls = stream(seed);
        const whole = feed(engineOf(rules), calls, START + 4 * HOUR);
        const first = feed(engineOf(rules), calls.slice(0, stop));
        const engine = engineOf(rules);
        for (const alert of first) engine.restore(alert);
        const stoppedMs = calls[stop - 1]?.recordedMs as number;
        const back = calls.filter(({ recordedMs }) => recordedMs >= stoppedMs - engine.horizonMs);
        const second = feed(engine, back, START + 4 * HOUR);
        // Nothing is missing, nothing is new, and nothing that was told is told again.
        expect(ids([...first, ...second])).toEqual(ids(whole));
        const told = new Set(first.map((one) => `${one.alert_id} ${one.state} ${one.at}`));
        expect(second.filter((one) => told.has(`${one.alert_id} ${one.state} ${one.at}`))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
  it('an alert that fired before the stop resolves after it', () => {
    const calls = Array.from({ length: 20 }, (_, i) => call(START + i * SECOND));
    const [alert] = feed(engineOf(RULES), calls);
    const engine = engineOf(RULES);
    engine.restore(alert as Alert);
    expect(feed(engine, calls, START + HOUR).map(({ state, alert_id }) => [state, alert_id])).toEqual([
      ['resolved', alert?.alert_id],
    ]);
  });
  it('an alert whose rule is gone resolves', () => {
    const [alert] = feed(
      engineOf(RULES),
      Array.from({ length: 20 }, (_, i) => call(START + i * SECOND)),
    );
    const engine = engineOf('rules: []');
    engine.restore(alert as Alert);
    expect(engine.tick(0, START + MINUTE).map(({ state }) => state)).toEqual(['resolved']);
  });
});

describe('time', () => {
  it('that stands still in one partition resolves nothing; that goes on in all does', () => {
    const engine = engineOf(RULES, 2);
    expect(
      feed(
        engine,
        Array.from({ length: 20 }, (_, i) => call(START + i * SECOND)),
      ),
    ).toHaveLength(1);
    expect(engine.tick(0, START + HOUR)).toEqual([]);
    expect(engine.tick(1, START + HOUR).map(({ state }) => state)).toEqual(['resolved']);
  });
  it('of a clock hours ahead or behind is taken as it may be, and spoils nobody else', () => {
    // One host is three hours ahead, one three behind, one right; each does the same.
    const calls = Array.from({ length: 60 }, (_, i) => {
      const off = [0, 3, -3][i % 3] as number;
      const recordedMs = START + 6 * HOUR + i * SECOND;
      return call(recordedMs + off * HOUR, { caller: `host ${off}` }, recordedMs);
    });
    const alerts = feed(engineOf(RULES), calls, START + 8 * HOUR);
    const abusers = alerts.filter(({ rule, state }) => rule === 'abuse' && state === 'firing');
    expect(abusers.map(({ key }) => key.caller).sort()).toEqual(['host -3', 'host 0', 'host 3']);
    expect(abusers.find(({ key }) => key.caller === 'host 3')?.window_end).toMatch(/T06:/);
    expect(abusers.find(({ key }) => key.caller === 'host -3')?.window_end).toMatch(/T03:/);
  });
  it('of calls that come hours late, together, is when they happened: no burst', () => {
    const calls = Array.from({ length: 300 }, (_, i) =>
      call(START + i * 10 * SECOND, { caller: 'c' }, START + DAY + i),
    );
    expect(feed(engineOf(RULES), calls, START + 2 * DAY).filter(({ rule }) => rule === 'abuse')).toEqual([]);
  });
  it('that is none is passed over', () => {
    expect(
      feed(
        engineOf(RULES),
        Array.from({ length: 50 }, () => ({ ...call(START), row: { ...call(START).row, ts: '' } })),
      ),
    ).toEqual([]);
  });
});

describe('memory', () => {
  it('holds no more keys than it may, keeps those in use, and counts what it forgets', () => {
    const engine = engineOf(
      ['rate_limit_abuse', 'runaway_loop', 'error_rate', 'latency', 'spend_spike', 'first_seen'].reduce(
        (text, kind) => `${text}\n  - { id: ${kind}, kind: ${kind}, max_keys: 500 }`,
        'rules:',
      ),
    );
    const alerts: Alert[] = [];
    for (let i = 0; i < 60_000; i++) {
      const name = `k${i}`;
      const atMs = START + i * 10;
      const once = call(atMs, { caller: name, tool: name, team: name, cost_usd: '1' });
      engine.call(once.row, 0, atMs);
      // One that goes on through the flood is still seen.
      if (i % 5 === 0)
        alerts.push(...engine.call(call(atMs, { caller: 'noisy', arguments_hash: 'x' }).row, 0, atMs));
    }
    const { rules } = engine.counts();
    for (const { keys } of Object.values(rules)) expect(keys).toBeLessThanOrEqual(500);
    for (const { evicted } of Object.values(rules)) expect(evicted).toBeGreaterThan(59_000);
    expect(alerts.map(({ rule, key }) => `${rule} ${key.caller}`).sort()).toEqual([
      'rate_limit_abuse noisy',
      'runaway_loop noisy',
    ]);
  });
  it('fires no more alerts at once than are of use', () => {
    const engine = engineOf('rules: [{ id: loop, kind: runaway_loop, calls: 2 }]');
    for (let i = 0; i < 22_000; i++) engine.call(call(START, { arguments_hash: `h${i >> 1}` }).row, 0, START);
    expect(engine.counts()).toMatchObject({ firing: 10_000, displaced: 1000 });
  });
});

it('holds to the schema whatever a row says', () => {
  const word = fc.oneof(fc.constantFrom('', 'a', '__proto__', '\0', 'x'.repeat(600)), fc.string());
  const row = fc.record({
    caller: word,
    server: word,
    tool: word,
    team: word,
    ip: word,
    arguments_hash: word,
    outcome: fc.constantFrom('ok', 'timeout', 'rate_limited', 'denied', 'interim', 'tool_error'),
    vantage: fc.constantFrom('client', 'gateway', 'server', ''),
    counted: fc.boolean(),
    duration_us: fc.constantFrom(0, 1, 1e6, Number.MAX_SAFE_INTEGER),
    cost_usd: fc.constantFrom('0', '-1', '1e3', 'x', '99999999999999999999999999.999999999999'),
  });
  const offsets = fc.constantFrom(0, 1, -SECOND, 3 * HOUR, -3 * HOUR, -400 * DAY, 400 * DAY);
  fc.assert(
    fc.property(fc.array(fc.tuple(row, offsets), { maxLength: 40 }), (rows) => {
      const engine = engineOf(RULES);
      for (let i = 0; i < 300; i++) {
        const [changes, off] = rows[i % Math.max(1, rows.length)] ?? [{}, 0];
        const recordedMs = START + i * SECOND;
        const { row: made } = call(
          recordedMs + off,
          { ...changes, event_id: eventId(i) } as object,
          recordedMs,
        );
        for (const alert of engine.call(made, 0, recordedMs)) AlertSchema.parse(alert);
      }
      for (let i = 0; i < 60; i++)
        for (const alert of engine.tick(0, START + i * 5 * MINUTE)) AlertSchema.parse(alert);
    }),
    { numRuns: 100 },
  );
});
