import type { RuleOf } from '../../../schemas/detect.ts';
import { Baseline } from '../baseline.ts';
import { BoundedKeys } from '../bounded-keys.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { compileMatch } from '../match.ts';
import type { Observation } from '../observation.ts';

/** Windows of a key that are open at once; of more, the oldest closes early. */
const MAX_OPEN = 16;

interface Open<W> {
  readonly index: number;
  readonly deadlineMs: number;
  readonly content: W;
}

interface WindowedState<W> {
  used: boolean;
  readonly server: string;
  readonly tool: string;
  readonly baseline: Baseline;
  /** By index, ascending. */
  readonly open: Open<W>[];
  closedThrough: number;
}

/** How far a closed window is from the baseline, in spreads; and what an alert would say. */
export interface Verdict {
  readonly fires: boolean;
  readonly z: number;
  readonly values: Readonly<Record<string, number>>;
  readonly summary: () => string;
  readonly evidence: readonly string[];
}

export interface WindowedRule<W> {
  readonly rule: RuleOf<'error_rate' | 'latency'>;
  wants(observation: Observation): boolean;
  empty(): W;
  add(content: W, observation: Observation): void;
  calls(content: W): number;
  /** What the baseline is of. */
  measure(content: W): number;
  judge(content: W, baseline: { readonly median: number; readonly spread: number }, name: string): Verdict;
}

/**
 * A detector over whole windows of event time of a server and tool. What it judges can fall as well as rise, so a window
 * is judged once, when every call of it has had `allowed_lateness_s` to arrive; then it becomes a part of the baseline,
 * also an abnormal one: a median isn't moved by it, and what stays becomes the new normal after half the baseline.
 * Windows of a clock that is far behind close as long after they were first heard of.
 */
export function windowedDetector<W>(
  windowed: WindowedRule<W>,
  { episodes, latenessMs }: DetectorDeps,
): Detector {
  const { rule } = windowed;
  const matches = compileMatch(rule.match);
  const windowMs = rule.window_s * 1000;
  const keys = new BoundedKeys<WindowedState<W>>(rule.max_keys);
  let late = 0;
  let sweptMs = 0;

  const close = (state: WindowedState<W>, watermarkMs: number): void => {
    const { index, content } = state.open.shift() as Open<W>;
    state.closedThrough = index;
    if (windowed.calls(content) < rule.min_calls) return;
    if (state.baseline.size >= rule.min_windows) {
      const key = { server: state.server, tool: state.tool };
      const verdict = windowed.judge(content, state.baseline.summary(), `${state.server}/${state.tool}`);
      const { values, summary, evidence } = verdict;
      const startMs = index * windowMs;
      if (verdict.fires)
        episodes.over(
          rule,
          { key, startMs, endMs: startMs + windowMs, values, summary, evidence },
          watermarkMs,
        );
      else if (verdict.z >= rule.resolve_z) episodes.keep(rule.id, key, watermarkMs);
    }
    state.baseline.add(windowed.measure(content), rule.baseline_windows);
  };
  const closeDue = (state: WindowedState<W>, watermarkMs: number): void => {
    while (state.open.length > 0 && (state.open[0] as Open<W>).deadlineMs <= watermarkMs)
      close(state, watermarkMs);
  };

  return {
    rule,
    horizonMs: rule.baseline_windows * windowMs + latenessMs + rule.episode_s * 1000,
    observe(observation, watermarkMs) {
      const { row, atMs, recordedMs, serverTool } = observation;
      if (!observation.once || row.tool === '' || !windowed.wants(observation) || !matches(row)) return;
      const state =
        keys.get(serverTool) ??
        keys.add(serverTool, {
          used: false,
          server: row.server,
          tool: row.tool,
          baseline: new Baseline(),
          open: [],
          closedThrough: Number.NEGATIVE_INFINITY,
        });
      closeDue(state, watermarkMs);
      const index = Math.floor(atMs / windowMs);
      if (index <= state.closedThrough) {
        late++;
        return;
      }
      let at = state.open.length;
      while (at > 0 && (state.open[at - 1] as Open<W>).index > index) at--;
      let window = state.open[at - 1];
      if (window === undefined || window.index !== index) {
        const endMs = (index + 1) * windowMs;
        const onTime = recordedMs <= endMs + latenessMs;
        const deadlineMs = (onTime ? endMs : recordedMs + windowMs) + latenessMs;
        window = { index, deadlineMs, content: windowed.empty() };
        state.open.splice(at, 0, window);
        if (state.open.length > MAX_OPEN) close(state, watermarkMs);
      }
      windowed.add(window.content, observation);
    },
    sweep(watermarkMs) {
      // A window may wait for its verdict by a tenth of its length: looking at each key each time would cost more than calls do.
      if (watermarkMs - sweptMs < windowMs / 10) return;
      sweptMs = watermarkMs;
      for (const state of keys.values()) closeDue(state, watermarkMs);
    },
    counts: () => ({ keys: keys.size, evicted: keys.evicted, late }),
  };
}
