import { DetectEngine, type DetectedCall, readDetectRules } from '../../../processors/detect/index.ts';
import { type Alert, AlertSchema } from '../../../schemas/alert.ts';

/** The first instant of hand-made streams: an hour, and a day, begin here. */
export const START = Date.parse('2026-01-05T00:00:00Z');
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A call as the log has it. */
export interface LoggedCall {
  readonly row: DetectedCall;
  readonly partition: number;
  readonly recordedMs: number;
}

let made = 0;

/** An id that says which call it is. */
export const eventId = (number: number): string =>
  `00000000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;

/** A counted call at `atMs`, learnt at once, with what a test wants different. */
export function call(atMs: number, changes: Partial<DetectedCall> = {}, recordedMs = atMs): LoggedCall {
  made++;
  return {
    partition: 0,
    recordedMs,
    row: {
      kind: 'call',
      event_id: eventId(made),
      vantage: 'server',
      method: 'tools/call',
      tool: 'query',
      server: 'search',
      caller: 'ada',
      caller_source: 'jwt',
      ip: '10.0.0.1',
      team: 'red',
      ts: new Date(atMs).toISOString(),
      duration_us: 20_000,
      outcome: 'ok',
      arguments_hash: `h${made}`,
      cost_usd: '0',
      counted: true,
      ...changes,
    },
  };
}

export function engineOf(rules: string, partitions = 1): DetectEngine {
  const result = readDetectRules(rules, 'rules.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return new DetectEngine(result.rules, partitions);
}

/** Feeds calls in their order, then ticks each second until `untilMs`. Every alert is checked by its schema. */
export function feed(
  engine: DetectEngine,
  calls: readonly LoggedCall[],
  untilMs?: number,
  partitions = 1,
): Alert[] {
  const alerts: Alert[] = [];
  const take = (some: readonly Alert[]): void => {
    for (const alert of some) alerts.push(AlertSchema.parse(alert));
  };
  for (const { row, partition, recordedMs } of calls) take(engine.call(row, partition, recordedMs));
  const last = Math.max(START, ...calls.slice(-1000).map(({ recordedMs }) => recordedMs));
  for (let atMs = last; untilMs !== undefined && atMs <= untilMs; atMs += 10 * SECOND)
    for (let partition = 0; partition < partitions; partition++) take(engine.tick(partition, atMs));
  return alerts;
}

/** What happened, briefly. */
export const brief = (alerts: readonly Alert[]): string[] =>
  alerts.map(
    ({ rule, state, key, at }) => `${at.slice(11, 19)} ${state} ${rule} ${Object.values(key).join(' ')}`,
  );
