import type { MeteredCall } from '../../schemas/metered-call.ts';

/** What rules read of a row; a `MeteredCall` is one. */
export type DetectedCall = Pick<
  MeteredCall,
  | 'kind'
  | 'event_id'
  | 'vantage'
  | 'method'
  | 'tool'
  | 'server'
  | 'caller'
  | 'caller_source'
  | 'ip'
  | 'team'
  | 'ts'
  | 'duration_us'
  | 'outcome'
  | 'arguments_hash'
  | 'cost_usd'
  | 'counted'
>;

/** A call as rules see it. Times are Unix milliseconds. */
export interface Observation {
  readonly row: DetectedCall;
  /** When it happened: its own time, or the log's where its clock is ahead: nothing is recorded before it begins. */
  readonly atMs: number;
  /** When the log learnt it. */
  readonly recordedMs: number;
  /**
   * Whether it is the one observation of the call that is counted. A call that a gateway refused reaches no other
   * vantage point, so it is counted there, whatever the policy.
   */
  readonly once: boolean;
  /** The caller as one text, `''` where nothing is known of it. Made once a call: several rules' keys begin with it. */
  readonly who: string;
  readonly serverTool: string;
}

/** Null for what no rule looks at: adjustments, answers that are not terminal, and times that are none. */
export function observe(row: DetectedCall, recordedMs: number): Observation | null {
  if (row.kind !== 'call' || row.outcome === 'interim') return null;
  const ownMs = Date.parse(row.ts);
  if (Number.isNaN(ownMs)) return null;
  const refused = row.vantage === 'gateway' && (row.outcome === 'rate_limited' || row.outcome === 'denied');
  return {
    row,
    atMs: Math.min(ownMs, recordedMs),
    recordedMs,
    once: row.counted || refused,
    who: row.caller === '' ? row.ip : `${row.caller_source}\0${row.caller}`,
    serverTool: `${row.server}\0${row.tool}`,
  };
}

/**
 * Who calls, by what is known of it: a caller's name is worth nothing without its source, and without a name there is the
 * address. As an alert says it.
 */
export function callerKey(row: DetectedCall): Record<string, string> {
  return row.caller === '' ? { ip: row.ip } : { caller: row.caller, caller_source: row.caller_source };
}
