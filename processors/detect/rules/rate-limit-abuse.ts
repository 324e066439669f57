import type { RuleOf } from '../../../schemas/detect.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { callerKey, type Observation } from '../observation.ts';
import type { SlotCounts } from '../slot-counts.ts';
import { SLOTS, type SlotFinding, slottedDetector } from './slotted.ts';

/**
 * More calls than a token bucket of `rate_per_s` and `burst` would have let through: in some span of slots, calls -
 * rate × length > burst (which no caller within its bucket reaches; RFC 2697's meter, without its clock). Or going
 * on after refusals: `limited_calls` answers `rate_limited` in the window, in at least `limited_slots` of its twelfths.
 */
export function rateLimitAbuse(rule: RuleOf<'rate_limit_abuse'>, deps: DetectorDeps): Detector {
  const gainPerSlot = (rule.rate_per_s * rule.window_s) / SLOTS;
  return slottedDetector(
    {
      rule,
      key: (observation) => keyOf(rule.by, observation),
      harmless: (total) => total < Math.min(rule.burst, rule.limited_calls) * rule.resolve_share,
      judge(counts: SlotCounts, visit) {
        const excesses = new Map<number, number>();
        counts.overdraw(gainPerSlot, (slot, excess) => excesses.set(slot, excess));
        counts.sums(SLOTS, (slot, calls, limited, limitedSlots) => {
          const excess = excesses.get(slot) as number;
          // Just full is not over: a load of 1 is the first call more than the bucket holds.
          const overdrawn = excess > rule.burst ? excess / rule.burst : Math.min(excess / rule.burst, 0.999);
          const ignored = limitedSlots < rule.limited_slots ? 0 : limited / rule.limited_calls;
          const load = Math.max(overdrawn, ignored);
          if (load > 0) {
            const values = {
              calls,
              rate_limited: limited,
              overdrawn: Math.max(0, excess),
              burst: rule.burst,
              rate_per_s: rule.rate_per_s,
            };
            visit({ slot, load, values });
          }
        });
      },
      summary: ({ values }: SlotFinding, key) =>
        `${Object.values(key)[0]}: ${values.calls} calls in ${rule.window_s} s, ${values.rate_limited} of them refused; the bucket is ${rule.rate_per_s}/s, burst ${rule.burst}`,
    },
    deps,
  );
}

function keyOf(
  by: RuleOf<'rate_limit_abuse'>['by'],
  { row }: Observation,
): { text: string; fields: () => Record<string, string> } | null {
  if (by === 'team') return row.team === '' ? null : { text: row.team, fields: () => ({ team: row.team }) };
  if (by === 'server_tool')
    return { text: `${row.server}\0${row.tool}`, fields: () => ({ server: row.server, tool: row.tool }) };
  const text = row.caller === '' ? row.ip : `${row.caller_source}\0${row.caller}`;
  return text === '' ? null : { text, fields: () => callerKey(row) as Record<string, string> };
}
