import type { RuleOf } from '../../../schemas/detect.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { callerKey } from '../observation.ts';
import { SLOTS, slottedDetector } from './slotted.ts';

/**
 * The same caller calls the same tool with the same arguments (by their keyed hash) `calls` times within `window_s`:
 * an agent that goes round in circles. Calls whose arguments were not hashed are not looked at.
 */
export function runawayLoop(rule: RuleOf<'runaway_loop'>, deps: DetectorDeps): Detector {
  return slottedDetector(
    {
      rule,
      key({ row }) {
        if (row.tool === '' || row.arguments_hash === '') return null;
        const caller = row.caller === '' ? row.ip : `${row.caller_source}\0${row.caller}`;
        if (caller === '') return null;
        return {
          text: `${caller}\0${row.server}\0${row.tool}\0${row.arguments_hash}`,
          fields: () => ({
            ...callerKey(row),
            server: row.server,
            tool: row.tool,
            arguments_hash: row.arguments_hash,
          }),
        };
      },
      harmless: (total) => total < rule.calls * rule.resolve_share,
      judge(counts, visit) {
        counts.sums(SLOTS, (slot, calls) =>
          visit({ slot, load: calls / rule.calls, values: { calls, limit: rule.calls } }),
        );
      },
      summary: ({ values }, key) =>
        `${Object.values(key)[0]} called ${key.server}/${key.tool} ${values.calls} times with the same arguments in ${rule.window_s} s`,
    },
    deps,
  );
}
