import type { RuleOf } from '../../../schemas/detect.ts';
import { BoundedKeys } from '../bounded-keys.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import type { Finding } from '../episodes.ts';
import { compileMatch } from '../match.ts';
import type { DetectedCall, Observation } from '../observation.ts';
import { SlotCounts, type SlotSums } from '../slot-counts.ts';

/** Slots that a window is divided into. */
export const SLOTS = 12;
/** Newest events of a key that are kept to show. */
const SHOWN = 5;

interface SlottedState {
  used: boolean;
  readonly counts: SlotCounts;
  /** Newest events, once there are enough calls to matter. */
  shown: string[] | null;
}

export interface SlottedRule {
  readonly rule: RuleOf<'rate_limit_abuse' | 'runaway_loop'>;
  /** Text that tells keys apart; `''` where the call has none. */
  key(observation: Observation): string;
  /** The key of a call as an alert says it. */
  fields(row: DetectedCall): Record<string, string>;
  /** Whether so few calls can't be over any limit: then nothing else is asked. */
  harmless(total: number): boolean;
  /** Tokens that a bucket gains in a slot. */
  readonly gainPerSlot: number;
  /** What there is at the end of a slot, by the firing limit: it fires from 1 on. It only grows with more calls. */
  load(sums: SlotSums): number;
  values(sums: SlotSums): Record<string, number>;
  summary(sums: SlotSums, key: Readonly<Record<string, string>>): string;
}

/**
 * A detector over counts in slots of event time. A load only grows as calls arrive, whatever their order, so it fires
 * at the call that reaches the limit, and a late call can only add to what has fired.
 */
export function slottedDetector(slotted: SlottedRule, { episodes, latenessMs }: DetectorDeps): Detector {
  const { rule } = slotted;
  const matches = compileMatch(rule.match);
  const slotMs = (rule.window_s * 1000) / SLOTS;
  const held = SLOTS + Math.ceil(latenessMs / slotMs) + 1;
  const keys = new BoundedKeys<SlottedState>(rule.max_keys);
  let late = 0;

  return {
    rule,
    horizonMs: rule.episode_s * 1000 + rule.window_s * 1000 + latenessMs,
    observe(observation) {
      const { row, atMs, recordedMs } = observation;
      if (!observation.once || !matches(row)) return;
      const key = slotted.key(observation);
      if (key === '') return;
      const state = keys.get(key) ?? keys.add(key, { used: false, counts: new SlotCounts(), shown: null });
      const slot = Math.floor(atMs / slotMs);
      if (!state.counts.add(slot, row.outcome === 'rate_limited', held)) {
        late++;
        return;
      }
      if (slotted.harmless(state.counts.total())) {
        state.shown = null;
        return;
      }
      state.shown ??= [];
      const { shown } = state;
      if (shown.length === SHOWN) shown.shift();
      shown.push(row.event_id);
      const fields = slotted.fields(row);
      // Slots before this call's own are as they were.
      state.counts.visit(slot, SLOTS, slotted.gainPerSlot, (sums) => {
        const load = slotted.load(sums);
        if (load < rule.resolve_share) return;
        if (load >= 1) {
          const finding: Finding = {
            key: fields,
            startMs: (sums.slot + 1 - SLOTS) * slotMs,
            endMs: (sums.slot + 1) * slotMs,
            values: slotted.values(sums),
            summary: () => slotted.summary(sums, fields),
            evidence: shown,
          };
          episodes.over(rule, finding, recordedMs);
        } else if (episodes.isFiring(rule.id, fields))
          episodes.keep(rule.id, fields, recordedMs, row.event_id);
      });
    },
    sweep() {},
    counts: () => ({ keys: keys.size, evicted: keys.evicted, late }),
  };
}
