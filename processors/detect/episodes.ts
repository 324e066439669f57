import { createHash } from 'node:crypto';
import type { Alert } from '../../schemas/alert.ts';
import type { DetectRule } from '../../schemas/detect.ts';

/** Alerts that fire at one time. Of more, the oldest resolves: a flood of alerts is no alert. */
const MAX_FIRING = 10_000;
/** Ids whose state is remembered, so that a replay tells nothing again. */
const MAX_TOLD = 100_000;
/** Events that an alert names. */
const MAX_EVIDENCE = 20;

/** What a rule found: a key over its firing limit, at a time of the events. */
export interface Finding {
  readonly key: Readonly<Record<string, string>>;
  /** Event time, Unix milliseconds: what the numbers are of. The end, exclusive, says which episode it is of. */
  readonly startMs: number;
  readonly endMs: number;
  readonly values: Readonly<Record<string, number>>;
  /** Numbers that are money, USD. */
  readonly amounts?: () => Record<string, string>;
  /** One sentence, made only where the alert is new. */
  readonly summary: () => string;
  readonly evidence: readonly string[];
}

interface Firing {
  /** As it was told; what has come since is beside it. */
  readonly alert: Alert;
  readonly ruleKey: string;
  readonly resolveAfterMs: number;
  startMs: number;
  endMs: number;
  readonly values: Record<string, number>;
  amounts: () => Record<string, string>;
  readonly evidence: Set<string>;
  /** Log time at which it was last over its resolving limit. */
  overMs: number;
}

/** Hash of rule, key and the span of event time that an alert is of: 32 hex digits. */
export function alertId(rule: string, key: Readonly<Record<string, string>>, episodeStartMs: number): string {
  const fields = Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([rule, fields, episodeStartMs]))
    .digest('hex')
    .slice(0, 32);
}

/**
 * From findings to alerts. All findings of a rule and key within a span of event time (`episode_s`) are one alert:
 * its id doesn't depend on which finding came first, nor on where a replay began. It resolves when it has not been over
 * its resolving limit for `resolve_after_s` of the log's time. It fires again under its id only by what the log learnt after it
 * had resolved.
 */
export class Episodes {
  readonly #firing = new Map<string, Firing>();
  /** By rule and key, the ids that fire. */
  readonly #byKey = new Map<string, Set<string>>();
  readonly #resolved = new Map<string, number>();
  #out: Alert[] = [];
  /** Alerts that resolved because too many fired. */
  displaced = 0;

  get firing(): number {
    return this.#firing.size;
  }

  /** An alert as it stands in the log: it is known, and not told again. */
  restore(alert: Alert, resolveAfterMs: number): void {
    if (alert.state === 'resolved') {
      this.#drop(alert.alert_id);
      this.#remember(alert.alert_id, Date.parse(alert.at));
    } else this.#hold(alert, resolveAfterMs, Date.parse(alert.at));
  }

  /** A key over its firing limit, as learnt at `recordedMs`. */
  over(rule: DetectRule, finding: Finding, recordedMs: number): void {
    const episodeMs = rule.episode_s * 1000;
    const id = alertId(rule.id, finding.key, Math.floor((finding.endMs - 1) / episodeMs) * episodeMs);
    const firing = this.#firing.get(id);
    if (firing !== undefined) {
      firing.overMs = Math.max(firing.overMs, recordedMs);
      grow(firing, finding);
      return;
    }
    const resolvedMs = this.#resolved.get(id);
    if (resolvedMs !== undefined && recordedMs <= resolvedMs) return;
    this.#resolved.delete(id);
    const alert: Alert = {
      alert_id: id,
      rule: rule.id,
      kind: rule.kind,
      severity: rule.severity,
      state: 'firing',
      key: clipped(finding.key),
      window_start: iso(finding.startMs),
      window_end: iso(finding.endMs),
      at: iso(recordedMs),
      summary: finding.summary().slice(0, 512),
      values: { ...finding.values },
      amounts: finding.amounts?.() ?? {},
      evidence: finding.evidence.slice(0, MAX_EVIDENCE),
    };
    if (this.#firing.size >= MAX_FIRING) {
      const [oldest] = this.#firing.keys();
      this.displaced++;
      this.#resolve(oldest as string, recordedMs);
    }
    this.#hold(alert, rule.resolve_after_s * 1000, recordedMs);
    this.#out.push(alert);
  }

  /** Whether an alert of this rule and key fires. */
  isFiring(rule: string, key: Readonly<Record<string, string>>): boolean {
    return this.#byKey.size > 0 && this.#byKey.has(ruleKey(rule, key));
  }

  /** A key that still is over its resolving limit. */
  keep(rule: string, key: Readonly<Record<string, string>>, recordedMs: number, eventId?: string): void {
    for (const id of this.#byKey.get(ruleKey(rule, key)) ?? []) {
      const firing = this.#firing.get(id) as Firing;
      firing.overMs = Math.max(firing.overMs, recordedMs);
      if (eventId !== undefined && firing.evidence.size < MAX_EVIDENCE) firing.evidence.add(eventId);
    }
  }

  /** Time has come this far in the whole log. */
  advance(watermarkMs: number): void {
    for (const [id, { overMs, resolveAfterMs }] of this.#firing)
      if (watermarkMs - overMs >= resolveAfterMs) this.#resolve(id, watermarkMs);
  }

  /** Alerts since the last call, in order. */
  take(): Alert[] {
    if (this.#out.length === 0) return NONE;
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #hold(alert: Alert, resolveAfterMs: number, overMs: number): void {
    const of = ruleKey(alert.rule, alert.key);
    this.#firing.set(alert.alert_id, {
      alert,
      ruleKey: of,
      resolveAfterMs,
      startMs: Date.parse(alert.window_start),
      endMs: Date.parse(alert.window_end),
      values: { ...alert.values },
      amounts: () => alert.amounts,
      evidence: new Set(alert.evidence),
      overMs,
    });
    const ids = this.#byKey.get(of);
    if (ids === undefined) this.#byKey.set(of, new Set([alert.alert_id]));
    else ids.add(alert.alert_id);
  }

  #drop(id: string): Firing | undefined {
    const firing = this.#firing.get(id);
    if (firing === undefined) return undefined;
    this.#firing.delete(id);
    const ids = this.#byKey.get(firing.ruleKey) as Set<string>;
    ids.delete(id);
    if (ids.size === 0) this.#byKey.delete(firing.ruleKey);
    return firing;
  }

  #resolve(id: string, atMs: number): void {
    const firing = this.#drop(id) as Firing;
    this.#remember(id, atMs);
    this.#out.push({
      ...firing.alert,
      state: 'resolved',
      window_start: iso(firing.startMs),
      window_end: iso(firing.endMs),
      at: iso(atMs),
      values: firing.values,
      amounts: firing.amounts(),
      evidence: [...firing.evidence],
    });
  }

  #remember(id: string, atMs: number): void {
    this.#resolved.delete(id);
    this.#resolved.set(id, atMs);
    if (this.#resolved.size > MAX_TOLD) this.#resolved.delete(this.#resolved.keys().next().value as string);
  }
}

const NONE: Alert[] = [];

const iso = (ms: number): string => new Date(ms).toISOString();

function ruleKey(rule: string, key: Readonly<Record<string, string>>): string {
  let text = rule;
  for (const name in key) text += `\0${name}\0${(key[name] as string).slice(0, 512)}`;
  return text;
}

function clipped(key: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(key).map(([name, value]) => [name, value.slice(0, 512)]));
}

/** The widest span, the largest numbers, the latest amounts and some more events. */
function grow(firing: Firing, finding: Finding): void {
  firing.startMs = Math.min(firing.startMs, finding.startMs);
  firing.endMs = Math.max(firing.endMs, finding.endMs);
  for (const name in finding.values) {
    const value = finding.values[name] as number;
    if (!((firing.values[name] as number) >= value)) firing.values[name] = value;
  }
  if (finding.amounts !== undefined) firing.amounts = finding.amounts;
  for (const id of finding.evidence) if (firing.evidence.size < MAX_EVIDENCE) firing.evidence.add(id);
}
