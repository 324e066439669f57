import type { RuleOf } from '../../../schemas/detect.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { DurationSketch } from '../duration-sketch.ts';
import { windowedDetector } from './windowed.ts';

/** Least spread of the logarithm: a latency that varies by less than a tenth is not more certain for it. */
const LEAST_SPREAD = 0.1;
/** Events that are kept to show. */
const SHOWN = 10;

interface Content {
  readonly sketch: DurationSketch;
  /** The slowest calls, slowest first. */
  readonly slowest: { readonly id: string; readonly durationUs: number }[];
}

/**
 * A server's tool is slower than it used to be. Of each window the `quantile` of durations of calls that were answered; the
 * baseline is the median m and spread s of its logarithm over earlier windows: z = (ln q - m) / max(s, 0.1). Fires at
 * z ≥ `fire_z`, where q is also `min_ratio` times the baseline and `min_increase_ms` over it.
 */
export function latency(rule: RuleOf<'latency'>, deps: DetectorDeps): Detector {
  return windowedDetector<Content>(
    {
      rule,
      // Whoever waits for an answer in vain waits for a timer of its own: that is counted as an error.
      wants: ({ row }) => row.outcome === 'ok' || row.outcome === 'tool_error',
      empty: () => ({ sketch: new DurationSketch(), slowest: [] }),
      add({ sketch, slowest }, { row }) {
        sketch.add(row.duration_us);
        if (slowest.length === SHOWN && row.duration_us <= (slowest[SHOWN - 1]?.durationUs as number)) return;
        let at = slowest.length;
        while (at > 0 && (slowest[at - 1]?.durationUs as number) < row.duration_us) at--;
        slowest.splice(at, 0, { id: row.event_id, durationUs: row.duration_us });
        if (slowest.length > SHOWN) slowest.pop();
      },
      calls: ({ sketch }) => sketch.count,
      measure: ({ sketch }) => Math.log(Math.max(1, sketch.quantile(rule.quantile))),
      judge({ sketch, slowest }, { median, spread }, name) {
        const observedUs = Math.max(1, sketch.quantile(rule.quantile));
        const usualUs = Math.exp(median);
        const z = (Math.log(observedUs) - median) / Math.max(spread, LEAST_SPREAD);
        const [observedMs, usualMs] = [observedUs / 1000, usualUs / 1000];
        return {
          fires:
            z >= rule.fire_z &&
            observedMs >= usualMs * rule.min_ratio &&
            observedMs - usualMs >= rule.min_increase_ms,
          z,
          values: { calls: sketch.count, observed_ms: observedMs, baseline_ms: usualMs, spread, z },
          summary: () =>
            `${name}: p${Number((rule.quantile * 100).toFixed(1))} is ${observedMs.toFixed(0)} ms over ${rule.window_s} s; ${usualMs.toFixed(0)} ms is usual`,
          evidence: slowest.map(({ id }) => id),
        };
      },
    },
    deps,
  );
}
