import type { Alert } from '../../schemas/alert.ts';
import type { DetectRule, DetectRules } from '../../schemas/detect.ts';
import type { Detector, DetectorCounts, DetectorDeps } from './detector.ts';
import { Episodes } from './episodes.ts';
import { type DetectedCall, observe } from './observation.ts';
import { errorRate } from './rules/error-rate.ts';
import { firstSeen } from './rules/first-seen.ts';
import { latency } from './rules/latency.ts';
import { rateLimitAbuse } from './rules/rate-limit-abuse.ts';
import { runawayLoop } from './rules/runaway-loop.ts';
import { spendSpike } from './rules/spend-spike.ts';

/** How far the log's time must have moved for what is due to be looked for. */
const SWEEP_MS = 1000;

export interface EngineCounts {
  readonly firing: number;
  /** Alerts that resolved because too many fired at once. */
  readonly displaced: number;
  readonly rules: Readonly<Record<string, DetectorCounts>>;
}

/**
 * The rules over the calls of all partitions of `mcp.calls.v1`, each partition's records in its order; how the
 * partitions are interleaved is free. No clock, no input or output: `call` and `tick` return the alerts that
 * came of it, in order. State is memory only, and made again by reading `horizonMs` back: `restore` the alerts of the log
 * first, so that only what is new is told.
 */
export class DetectEngine {
  readonly #detectors: readonly Detector[];
  readonly #byId: ReadonlyMap<string, DetectRule>;
  readonly #episodes = new Episodes();
  readonly #progressMs: Float64Array;
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #sweptMs = Number.NEGATIVE_INFINITY;

  /** `partitions`: how many the calls' topic has. */
  constructor(rules: DetectRules, partitions: number) {
    const deps: DetectorDeps = { episodes: this.#episodes, latenessMs: rules.allowed_lateness_s * 1000 };
    const enabled = rules.rules.filter((rule) => rule.enabled);
    this.#detectors = enabled.map((rule) => detectorOf(rule, deps));
    this.#byId = new Map(enabled.map((rule) => [rule.id, rule]));
    this.#progressMs = new Float64Array(partitions).fill(Number.NEGATIVE_INFINITY);
  }

  /** How far before now reading must begin, milliseconds of the log's time. */
  get horizonMs(): number {
    return Math.max(0, ...this.#detectors.map((detector) => detector.horizonMs));
  }

  /** An alert as the log has it, oldest first; before any call. Alerts of rules that are gone resolve by the next tick. */
  restore(alert: Alert): void {
    const rule = this.#byId.get(alert.rule);
    this.#episodes.restore(alert, rule === undefined ? 0 : rule.resolve_after_s * 1000);
  }

  /** A row of a partition, and when the log learnt it. */
  call(row: DetectedCall, partition: number, recordedMs: number): readonly Alert[] {
    const observation = observe(row, recordedMs);
    if (observation !== null)
      for (const detector of this.#detectors) detector.observe(observation, this.#watermarkMs);
    return this.#advance(partition, recordedMs);
  }

  /** Time has come this far in a partition. */
  tick(partition: number, atMs: number): readonly Alert[] {
    return this.#advance(partition, atMs);
  }

  counts(): EngineCounts {
    return {
      firing: this.#episodes.firing,
      displaced: this.#episodes.displaced,
      rules: Object.fromEntries(this.#detectors.map((detector) => [detector.rule.id, detector.counts()])),
    };
  }

  #advance(partition: number, atMs: number): readonly Alert[] {
    const progress = this.#progressMs;
    const before = progress[partition] as number;
    if (atMs > before) {
      progress[partition] = atMs;
      // Only the partition that is last can hold time up.
      if (before <= this.#watermarkMs) this.#watermarkMs = progress.reduce((a, b) => Math.min(a, b));
      if (this.#watermarkMs - this.#sweptMs >= SWEEP_MS) {
        this.#sweptMs = this.#watermarkMs;
        for (const detector of this.#detectors) detector.sweep(this.#watermarkMs);
        this.#episodes.advance(this.#watermarkMs);
      }
    }
    return this.#episodes.take();
  }
}

function detectorOf(rule: DetectRule, deps: DetectorDeps): Detector {
  switch (rule.kind) {
    case 'rate_limit_abuse':
      return rateLimitAbuse(rule, deps);
    case 'runaway_loop':
      return runawayLoop(rule, deps);
    case 'error_rate':
      return errorRate(rule, deps);
    case 'latency':
      return latency(rule, deps);
    case 'spend_spike':
      return spendSpike(rule, deps);
    case 'first_seen':
      return firstSeen(rule, deps);
  }
}
