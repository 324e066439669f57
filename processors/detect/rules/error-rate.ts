import type { RuleOf } from '../../../schemas/detect.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { windowedDetector } from './windowed.ts';

/** Outcomes that are the server's fault; refusals, cancellations and malformed requests are not. */
const ERRORS = new Set(['tool_error', 'protocol_error', 'upstream_error', 'timeout', 'disconnected', 'lost']);
/** What says nothing of the server. */
const NOT_ITS_OWN = new Set(['denied', 'rate_limited', 'malformed', 'cancelled']);
/** Events that are kept to show. */
const SHOWN = 10;

interface Content {
  calls: number;
  errors: number;
  readonly shown: string[];
}

/**
 * A server's tool fails more often than it used to. With p the baseline's median share of errors (at least half an error in
 * all its calls' worth of one window), s its spread, and k errors in n calls: z = (k - n·p) / √(n·p·(1 - p) + (n·s)²), a
 * binomial's deviation widened by how much the share varies anyway. Fires at z ≥ `fire_z` and k/n - p ≥ `min_increase`.
 */
export function errorRate(rule: RuleOf<'error_rate'>, deps: DetectorDeps): Detector {
  return windowedDetector<Content>(
    {
      rule,
      wants: ({ row }) => !NOT_ITS_OWN.has(row.outcome),
      empty: () => ({ calls: 0, errors: 0, shown: [] }),
      add(content, { row }) {
        content.calls++;
        if (!ERRORS.has(row.outcome)) return;
        content.errors++;
        if (content.shown.length < SHOWN) content.shown.push(row.event_id);
      },
      calls: (content) => content.calls,
      measure: (content) => content.errors / content.calls,
      judge({ calls, errors, shown }, { median, spread }, name) {
        const usual = Math.min(Math.max(median, 0.5 / calls), 1 - 0.5 / calls);
        const share = errors / calls;
        const z = (errors - calls * usual) / Math.sqrt(calls * usual * (1 - usual) + (calls * spread) ** 2);
        return {
          fires: z >= rule.fire_z && share - median >= rule.min_increase,
          z,
          values: { calls, errors, error_share: share, baseline: median, spread, z },
          summary: () =>
            `${name}: ${errors} of ${calls} calls failed in ${rule.window_s} s; ${percent(median)} is usual`,
          evidence: shown,
        };
      },
    },
    deps,
  );
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
