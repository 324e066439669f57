import type { RuleOf } from '../../../schemas/detect.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { callerKey, type DetectedCall, type Observation } from '../observation.ts';
import { SLOTS, slottedDetector } from './slotted.ts';

/**
 * More calls than a token bucket of `rate_per_s` and `burst` would have let through: in some span of slots, calls -
 * rate × length > burst (which no caller within its bucket reaches; RFC 2697's meter, without its clock). Or going
 * on after refusals: `limited_calls` answers `rate_limited` in the window, in at least `limited_slots` of its twelfths.
 */
export function rateLimitAbuse(rule: RuleOf<'rate_limit_abuse'>, deps: DetectorDeps): Detector {
  return slottedDetector(
    {
      rule,
      key: KEYS[rule.by],
      fields: FIELDS[rule.by],
      harmless: (total) => total < Math.min(rule.burst, rule.limited_calls) * rule.resolve_share,
      gainPerSlot: (rule.rate_per_s * rule.window_s) / SLOTS,
      load({ excess, refused, slotsRefused }) {
        // Just full is not over: the first call more than the bucket holds is.
        const overdrawn = excess > rule.burst ? 1 : Math.min(excess / rule.burst, 0.999);
        return Math.max(overdrawn, slotsRefused < rule.limited_slots ? 0 : refused / rule.limited_calls);
      },
      values: ({ calls, refused, excess }) => ({
        calls,
        rate_limited: refused,
        overdrawn: Math.max(0, excess),
        burst: rule.burst,
        rate_per_s: rule.rate_per_s,
      }),
      summary: ({ calls, refused }, key) =>
        `${Object.values(key)[0]}: ${calls} calls in ${rule.window_s} s, ${refused} of them refused; the bucket is ${rule.rate_per_s}/s, burst ${rule.burst}`,
    },
    deps,
  );
}

type By = RuleOf<'rate_limit_abuse'>['by'];

const KEYS: Record<By, (observation: Observation) => string> = {
  caller: ({ who }) => who,
  team: ({ row }) => row.team,
  server_tool: ({ serverTool }) => serverTool,
};
const FIELDS: Record<By, (row: DetectedCall) => Record<string, string>> = {
  caller: callerKey,
  team: ({ team }) => ({ team }),
  server_tool: ({ server, tool }) => ({ server, tool }),
};
