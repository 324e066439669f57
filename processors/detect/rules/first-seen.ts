import type { RuleOf } from '../../../schemas/detect.ts';
import { BoundedKeys } from '../bounded-keys.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { compileMatch } from '../match.ts';
import { callerKey } from '../observation.ts';

/** A pair may wait for its verdict by this much: there may be as many undecided as keys. */
const SWEEP_MS = 10_000;

interface CallerState {
  used: boolean;
  firstMs: number;
}

interface PairState {
  used: boolean;
  readonly caller: CallerState;
  firstMs: number;
  /** Set until it is decided whether it is news. */
  undecided: {
    readonly key: Readonly<Record<string, string>>;
    eventId: string;
    readonly deadlineMs: number;
  } | null;
}

/**
 * A caller that has been known for `learn_s` calls a tool that it has not called before, as far as is remembered (`max_keys`
 * pairs). Decided when everything that may have come before it has had `allowed_lateness_s` to arrive. Calls that were refused are
 * looked at too: trying is news. Any vantage point will do: it is about having been seen, not about how often.
 */
export function firstSeen(rule: RuleOf<'first_seen'>, { episodes, latenessMs }: DetectorDeps): Detector {
  const matches = compileMatch(rule.match);
  const callers = new BoundedKeys<CallerState>(rule.max_keys);
  const pairs = new BoundedKeys<PairState>(rule.max_keys);
  const undecided = new Set<PairState>();
  let sweptMs = 0;

  return {
    rule,
    horizonMs: rule.episode_s * 1000,
    observe({ row, atMs, recordedMs, who, serverTool }) {
      if (row.tool === '' || row.caller === '' || !matches(row)) return;
      const text = `${who}\0${serverTool}`;
      const pair = pairs.get(text);
      if (pair === undefined) {
        const caller = callers.get(who) ?? callers.add(who, { used: false, firstMs: atMs });
        if (atMs < caller.firstMs) caller.firstMs = atMs;
        const added: PairState = {
          used: false,
          caller,
          firstMs: atMs,
          undecided: {
            key: { ...callerKey(row), server: row.server, tool: row.tool },
            eventId: row.event_id,
            deadlineMs: recordedMs + latenessMs,
          },
        };
        pairs.add(text, added);
        undecided.add(added);
        // What is undecided is bounded as what is held is.
        if (undecided.size > rule.max_keys) undecided.delete(undecided.values().next().value as PairState);
        return;
      }
      // Kept at hand: a caller in use is one whose pairs are.
      pair.caller.used = true;
      if (atMs < pair.caller.firstMs) pair.caller.firstMs = atMs;
      if (atMs < pair.firstMs) {
        pair.firstMs = atMs;
        if (pair.undecided !== null) pair.undecided.eventId = row.event_id;
      }
    },
    sweep(watermarkMs) {
      if (watermarkMs - sweptMs < SWEEP_MS) return;
      sweptMs = watermarkMs;
      for (const pair of undecided) {
        const { key, eventId, deadlineMs } = pair.undecided as NonNullable<PairState['undecided']>;
        if (deadlineMs > watermarkMs) continue;
        undecided.delete(pair);
        pair.undecided = null;
        const knownMs = pair.firstMs - pair.caller.firstMs;
        if (knownMs < rule.learn_s * 1000 || knownMs === 0) continue;
        episodes.over(
          rule,
          {
            key,
            startMs: pair.firstMs,
            endMs: pair.firstMs + 1,
            values: { caller_known_s: Math.round(knownMs / 1000) },
            summary: () => `${key.caller} called ${key.server}/${key.tool} for the first time`,
            evidence: [eventId],
          },
          watermarkMs,
        );
      }
    },
    counts: () => ({ keys: pairs.size, evicted: pairs.evicted + callers.evicted, late: 0 }),
  };
}
