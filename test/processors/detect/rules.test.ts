import { describe, expect, it } from 'vitest';
import type { DetectedCall } from '../../../processors/detect/index.ts';
import { brief, call, DAY, engineOf, feed, HOUR, type LoggedCall, MINUTE, SECOND, START } from './calls.ts';

const many = (count: number, make: (i: number) => LoggedCall): LoggedCall[] =>
  Array.from({ length: count }, (_, i) => make(i));

describe('rate-limit abuse', () => {
  const rule =
    'rules: [{ id: abuse, kind: rate_limit_abuse, rate_per_s: 1, burst: 30, resolve_after_s: 120 }]';

  it('fires at the call that the bucket does not hold, once, and resolves when it is quiet', () => {
    const calls = many(200, (i) => call(START + i * 100));
    const alerts = feed(engineOf(rule), calls, START + 10 * MINUTE);
    // 35 + 1 calls in the slot of 5 s, of which 5 are gained: the 36th is one too many.
    expect(brief(alerts)).toEqual(['00:00:03 firing abuse ada jwt', '00:02:19 resolved abuse ada jwt']);
    expect(alerts[0]).toMatchObject({
      kind: 'rate_limit_abuse',
      severity: 'warning',
      key: { caller: 'ada', caller_source: 'jwt' },
      values: { calls: 36, overdrawn: 31, burst: 30, rate_per_s: 1 },
      summary: expect.stringContaining('36 calls in 60 s'),
      evidence: calls.slice(31, 36).map(({ row }) => row.event_id),
    });
    expect(alerts[1]).toMatchObject({
      alert_id: alerts[0]?.alert_id,
      values: { calls: 200, overdrawn: 180 },
    });
    expect(alerts[1]?.evidence).toHaveLength(20);
  });

  it('lets through whatever a bucket does', () => {
    // The whole burst at once, then exactly the rate, for an hour.
    const calls = [...many(30, () => call(START)), ...many(3600, (i) => call(START + (i + 1) * SECOND))];
    expect(feed(engineOf(rule), calls, START + 2 * HOUR)).toEqual([]);
  });

  const limited = { outcome: 'rate_limited', vantage: 'gateway', counted: false } as const;
  it('fires on going on after refusals, which are counted at the gateway whatever the policy', () => {
    const alerts = feed(
      engineOf(rule),
      many(25, (i) => call(START + i * 2 * SECOND, limited)),
      START + HOUR,
    );
    expect(brief(alerts)).toEqual(['00:00:38 firing abuse ada jwt', '00:02:48 resolved abuse ada jwt']);
    expect(alerts[0]?.values).toMatchObject({ rate_limited: 20 });
  });
  it('not on refusals of what was under way already', () => {
    expect(
      feed(
        engineOf(rule),
        many(25, () => call(START, limited)),
        START + HOUR,
      ),
    ).toEqual([]);
  });
  it('looks at each call once, and by caller: a name of another source is another', () => {
    const seen = many(100, (i) => call(START + i, { counted: i % 5 === 0 }));
    expect(feed(engineOf(rule), seen, START + HOUR)).toEqual([]);
    const two = many(60, (i) => call(START + i, { caller_source: i % 2 === 0 ? 'jwt' : 'declared' }));
    expect(feed(engineOf(rule), two, START + HOUR)).toEqual([]);
  });
  it.each([
    ['caller', {}, { caller: 'ada', caller_source: 'jwt' }],
    ['caller', { caller: '' }, { ip: '10.0.0.1' }],
    ['team', {}, { team: 'red' }],
    ['server_tool', {}, { server: 'search', tool: 'query' }],
  ] as const)('by %s of %j', (by, changes, key) => {
    const rules = rule.replace('rate_limit_abuse', `rate_limit_abuse, by: ${by}`);
    const [alert] = feed(
      engineOf(rules),
      many(50, (i) => call(START + i, changes)),
    );
    expect(alert?.key).toEqual(key);
  });
  it('looks only at what it matches, in any spelling of names', () => {
    const rules = rule.replace('burst', 'match: { server: [SEA*], team: red }, burst');
    const calls = (changes: Partial<DetectedCall>) => many(50, (i) => call(START + i, changes));
    expect(feed(engineOf(rules), calls({ server: 'Search' }))).toHaveLength(1);
    expect(feed(engineOf(rules), calls({ team: '' }))).toEqual([]);
    expect(feed(engineOf(rules), calls({ server: 'research' }))).toEqual([]);
  });
  it('tells again what goes on in the next hour', () => {
    const calls = many(1300, (i) => call(START + 50 * MINUTE + i * SECOND, limited));
    const alerts = feed(engineOf(rule), calls, START + 3 * HOUR);
    expect(alerts.map(({ state }) => state)).toEqual(['firing', 'firing', 'resolved', 'resolved']);
    expect(new Set(alerts.map((alert) => alert.alert_id)).size).toBe(2);
  });
});

describe('runaway loop', () => {
  const rule = 'rules: [{ id: loop, kind: runaway_loop, calls: 10, window_s: 60 }]';
  const same = { arguments_hash: 'same' };

  it('fires at the call that makes it a loop', () => {
    const calls = many(12, (i) => call(START + i * 5 * SECOND, same));
    const alerts = feed(engineOf(rule), calls, START + HOUR);
    expect(brief(alerts)).toEqual([
      '00:00:45 firing loop ada jwt search query same',
      '00:05:55 resolved loop ada jwt search query same',
    ]);
    expect(alerts[0]).toMatchObject({
      values: { calls: 10, limit: 10 },
      summary: expect.stringContaining('10 times'),
    });
  });
  it.each<[string, (i: number) => LoggedCall]>([
    ['other arguments', (i) => call(START + i)],
    ['arguments without a hash', (i) => call(START + i, { arguments_hash: '' })],
    ['callers of their own', (i) => call(START + i, { ...same, caller: `c${i}` })],
    ['polling', (i) => call(START + i * 10 * SECOND, same)],
    ['one call seen from several places', (i) => call(START + i, { ...same, counted: i % 3 === 0 })],
    ['requests for input', (i) => call(START + i, { ...same, outcome: 'interim' })],
  ])('not on %s', (_, make) => expect(feed(engineOf(rule), many(20, make), START + HOUR)).toEqual([]));
});

/** `perWindow` calls in each of the windows of five minutes. */
const windows = (
  count: number,
  perWindow: number,
  make: (window: number, i: number) => Partial<DetectedCall>,
) =>
  many(count * perWindow, (n) => {
    const [window, i] = [Math.floor(n / perWindow), n % perWindow];
    return call(START + window * 5 * MINUTE + i * SECOND, make(window, i));
  });

describe('error rate', () => {
  const rule = 'rules: [{ id: errors, kind: error_rate, resolve_after_s: 600 }]';
  const failing = (window: number, i: number, from: number, to = Number.POSITIVE_INFINITY) =>
    ({ outcome: i < (window >= from && window < to ? 20 : window % 3) ? 'tool_error' : 'ok' }) as const;

  it('fires when more fail than did, once, with the calls that failed, and resolves', () => {
    const calls = windows(40, 50, (window, i) => failing(window, i, 20, 24));
    const alerts = feed(engineOf(rule), calls, START + 5 * HOUR);
    expect(alerts.map(({ state }) => state)).toEqual(
      ['firing', 'resolved', 'firing', 'resolved'].slice(0, 2),
    );
    const [alert] = alerts;
    expect(alert).toMatchObject({
      key: { server: 'search', tool: 'query' },
      severity: 'critical',
      window_start: '2026-01-05T01:40:00.000Z',
      window_end: '2026-01-05T01:45:00.000Z',
      values: { calls: 50, errors: 20, error_share: 0.4, baseline: 0.02 },
      evidence: calls.slice(1000, 1010).map(({ row }) => row.event_id),
    });
    // Judged when everything of the window has had its five minutes to arrive.
    expect(alert?.at.slice(11, 16)).toBe('01:50');
  });
  it.each<[string, (window: number, i: number) => Partial<DetectedCall>]>([
    ['what always fails', () => ({ outcome: 'tool_error' })],
    ['refusals', (window, i) => ({ outcome: window > 20 && i < 20 ? 'denied' : 'ok' })],
    ['what is seen from elsewhere', (window, i) => ({ ...failing(window, i, 20), counted: false })],
    ['few calls more', (window, i) => ({ outcome: window === 30 && i < 2 ? 'tool_error' : 'ok' })],
  ])('not on %s', (_, make) =>
    expect(feed(engineOf(rule), windows(40, 50, make), START + 5 * HOUR)).toEqual([]),
  );
  it('not before it knows what is usual', () => {
    const calls = windows(11, 50, (window, i) => failing(window, i, 8));
    expect(feed(engineOf(rule), calls, START + 5 * HOUR)).toEqual([]);
  });
});

describe('latency', () => {
  const rule = 'rules: [{ id: slow, kind: latency }]';
  // Skewed: one call in twelve takes six times as long.
  const usual = (i: number) => 20_000 + (i % 7) * 3000 + (i % 12 === 0 ? 100_000 : 0);

  it('fires when the quantile leaves its band, with the slowest calls', () => {
    const calls = windows(30, 60, (window, i) => ({
      duration_us: usual(i) * (window >= 20 && window < 22 ? 5 : 1),
    }));
    const alerts = feed(engineOf(rule), calls, START + 5 * HOUR);
    expect(alerts.map(({ state }) => state)).toEqual(['firing', 'resolved']);
    const [alert] = alerts;
    expect(alert?.window_start).toBe('2026-01-05T01:40:00.000Z');
    expect(alert?.values.observed_ms).toBeGreaterThan(550);
    expect((alert?.values.observed_ms as number) / (alert?.values.baseline_ms as number)).toBeCloseTo(5, 0);
    const slowest = calls.slice(1200, 1260).sort((a, b) => b.row.duration_us - a.row.duration_us);
    expect(alert?.evidence[0]).toBe(slowest[0]?.row.event_id);
  });
  it.each<[string, (window: number, i: number) => Partial<DetectedCall>]>([
    ['a long tail as ever', (_, i) => ({ duration_us: usual(i) })],
    ['one slow call', (window, i) => ({ duration_us: window === 25 && i === 0 ? 60_000_000 : usual(i) })],
    ['milliseconds', (window) => ({ duration_us: window > 20 ? 9000 : 1000 })],
    [
      'timeouts, which are errors',
      (window, i) => ({
        duration_us: window > 20 && i > 5 ? 30_000_000 : 20_000,
        outcome: window > 20 && i > 5 ? 'timeout' : 'ok',
      }),
    ],
  ])('not on %s', (_, make) =>
    expect(feed(engineOf(rule), windows(30, 60, make), START + 5 * HOUR)).toEqual([]),
  );
});

describe('spend spike', () => {
  const rule = 'rules: [{ id: spend, kind: spend_spike, min_windows: 24 }]';
  const hours = (count: number, cost: (hour: number) => string) =>
    many(count * 10, (n) =>
      call(START + Math.floor(n / 10) * HOUR + (n % 10) * MINUTE, { cost_usd: cost(Math.floor(n / 10)) }),
    );

  it('fires at the call that reaches the limit, in exact money', () => {
    const calls = hours(41, (hour) => (hour === 40 ? '4.000000000001' : '0.9'));
    const alerts = feed(engineOf(rule), calls, START + 3 * DAY);
    expect(brief(alerts)).toEqual(['16:06:00 firing spend red', '16:14:00 resolved spend red']);
    expect(alerts[0]).toMatchObject({
      key: { team: 'red' },
      values: {},
      amounts: { spend: '28.000000000007', limit: '27', usual: '9' },
      evidence: calls.slice(400, 407).map(({ row }) => row.event_id),
    });
    expect(alerts[1]?.amounts).toMatchObject({ spend: '40.00000000001' });
  });
  it.each<[string, LoggedCall[]]>([
    ['the usual', hours(60, () => '0.9')],
    ['little money', hours(60, (hour) => (hour > 40 ? '0.9' : '0.0001'))],
    ['too short a history', hours(20, (hour) => (hour > 15 ? '900' : '0.9'))],
    [
      'corrections',
      hours(60, () => '0.9').concat(
        many(10, (i) => call(START + 60 * HOUR + i, { kind: 'adjustment', cost_usd: '500' })),
      ),
    ],
    [
      'what is not counted',
      hours(60, () => '0.9').concat(
        many(10, (i) => call(START + 60 * HOUR + i, { counted: false, cost_usd: '500' })),
      ),
    ],
    ['refunds', hours(60, (hour) => (hour > 40 ? '-90' : '0.9'))],
  ])('not on %s', (_, calls) => expect(feed(engineOf(rule), calls, START + 4 * DAY)).toEqual([]));
  it('writes no more than an amount holds', () => {
    const most = '99999999999999999999999999.999999999999';
    const calls = hours(42, (hour) => (hour === 40 ? most : '0.9'));
    const alerts = feed(engineOf(rule), calls, START + 3 * DAY);
    expect(alerts.at(-1)?.amounts.spend).toBe(most);
  });
  it('takes hours without a call as hours without spend', () => {
    const calls = [
      ...hours(1, () => '0.9'),
      ...many(10, (i) => call(START + 40 * HOUR + i * MINUTE, { cost_usd: '1.5' })),
    ];
    const [alert] = feed(engineOf(rule), calls);
    expect(alert?.amounts).toMatchObject({ usual: '0', limit: '10', spend: '10.5' });
  });
});

describe('first seen', () => {
  const rule = 'rules: [{ id: new, kind: first_seen }]';
  const habit = many(48, (i) => call(START + i * HOUR));

  it('fires when a known caller calls a tool of which it is not known, and says so once', () => {
    const calls = [...habit, ...many(3, (i) => call(START + 2 * DAY + i * MINUTE, { tool: 'delete' }))];
    const alerts = feed(engineOf(rule), calls, START + 3 * DAY);
    expect(brief(alerts)).toEqual([
      '00:05:00 firing new ada jwt search delete',
      '01:05:00 resolved new ada jwt search delete',
    ]);
    expect(alerts[0]).toMatchObject({
      severity: 'info',
      values: { caller_known_s: 172_800 },
      evidence: [calls[48]?.row.event_id],
    });
  });
  it.each<[string, LoggedCall[]]>([
    ['its habits', habit],
    [
      'a new caller',
      [
        ...habit,
        call(START + 2 * DAY, { caller: 'bob' }),
        call(START + 2 * DAY + HOUR, { caller: 'bob', tool: 'x' }),
      ],
    ],
    ['nobody', [...habit, call(START, { caller: '' }), call(START + 2 * DAY, { caller: '', tool: 'x' })]],
    ['what is no tool', [...habit, call(START + 2 * DAY, { tool: '', method: 'ping' })]],
  ])('not on %s', (_, calls) => expect(feed(engineOf(rule), calls, START + 3 * DAY)).toEqual([]));
});
