import type { RuleOf } from '../../../schemas/detect.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { callerKey } from '../observation.ts';
import { slottedDetector } from './slotted.ts';

/**
 * The same caller calls the same tool with the same arguments (by their keyed hash) `calls` times within `window_s`:
 * an agent that goes round in circles. Calls whose arguments were not hashed are not looked at.
 */
export function runawayLoop(rule: RuleOf<'runaway_loop'>, deps: DetectorDeps): Detector {
  return slottedDetector(
    {
      rule,
      key: ({ row, who, serverTool }) =>
        who === '' || row.tool === '' || row.arguments_hash === ''
          ? ''
          : `${who}\0${serverTool}\0${row.arguments_hash}`,
      fields: (row) => ({
        ...callerKey(row),
        server: row.server,
        tool: row.tool,
        arguments_hash: row.arguments_hash,
      }),
      harmless: (total) => total < rule.calls * rule.resolve_share,
      gainPerSlot: 0,
      load: ({ calls }) => calls / rule.calls,
      values: ({ calls }) => ({ calls, limit: rule.calls }),
      summary: ({ calls }, key) =>
        `${Object.values(key)[0]} called ${key.server}/${key.tool} ${calls} times with the same arguments in ${rule.window_s} s`,
    },
    deps,
  );
}
