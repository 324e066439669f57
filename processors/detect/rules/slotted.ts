import type { RuleOf } from '../../../schemas/detect.ts';
import { BoundedKeys } from '../bounded-keys.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import type { Finding } from '../episodes.ts';
import { compileMatch } from '../match.ts';
import type { Observation } from '../observation.ts';
import { SlotCounts } from '../slot-counts.ts';

/** Slots that a window is divided into. */
export const SLOTS = 12;
/** Newest events of a key that are kept to show. */
const SHOWN = 5;

interface SlottedState {
  used: boolean;
  readonly key: Readonly<Record<string, string>>;
  readonly counts: SlotCounts;
  readonly shown: string[];
}

/** What is over at the end of a slot, and by how much of the firing limit (1: just over it). */
export interface SlotFinding {
  readonly slot: number;
  readonly load: number;
  readonly values: Readonly<Record<string, number>>;
}

export interface SlottedRule {
  readonly rule: RuleOf<'rate_limit_abuse' | 'runaway_loop'>;
  key(observation: Observation): { text: string; fields: () => Record<string, string> } | null;
  /** Whether so few calls can't be over any limit: then nothing else is asked. */
  harmless(total: number): boolean;
  /** Visits each slot whose load is above 0; a load only grows with more calls. */
  judge(counts: SlotCounts, visit: (finding: SlotFinding) => void): void;
  summary(finding: SlotFinding, key: Readonly<Record<string, string>>): string;
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
      if (key === null) return;
      let state = keys.get(key.text);
      if (state === undefined) {
        state = keys.add(key.text, { used: false, key: key.fields(), counts: new SlotCounts(), shown: [] });
      }
      const slot = Math.floor(atMs / slotMs);
      if (!state.counts.add(slot, row.outcome === 'rate_limited', held)) {
        late++;
        return;
      }
      if (state.shown.length === SHOWN) state.shown.shift();
      state.shown.push(row.event_id);
      if (slotted.harmless(state.counts.total())) return;
      const { shown, key: fields } = state;
      slotted.judge(state.counts, (found) => {
        // Slots before this call's own are as they were.
        if (found.slot < slot) return;
        if (found.load >= 1) {
          const finding: Finding = {
            key: fields,
            startMs: (found.slot + 1 - SLOTS) * slotMs,
            endMs: (found.slot + 1) * slotMs,
            values: found.values,
            summary: () => slotted.summary(found, fields),
            evidence: shown,
          };
          episodes.over(rule, finding, recordedMs);
        } else if (found.load >= rule.resolve_share && episodes.isFiring(rule.id, fields))
          episodes.keep(rule.id, fields, recordedMs, row.event_id);
      });
    },
    sweep() {},
    counts: () => ({ keys: keys.size, evicted: keys.evicted, late }),
  };
}
