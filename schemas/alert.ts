import { z } from 'zod';
import { UsdSchema } from './call-event.ts';

/**
 * An alert on `mcp.alerts.v1`, keyed by its id: the last record of an id is its state. The id is a hash of rule, key
 * and window: a replay raises nothing twice.
 */
export const AlertSchema = z.strictObject({
  alert_id: z.string().regex(/^[0-9a-f]{32}$/),
  rule: z.string().max(128),
  kind: z.string().max(64),
  severity: z.enum(['info', 'warning', 'critical']),
  state: z.enum(['firing', 'resolved']),
  /** What it is about: caller, tool, team …. */
  key: z.record(z.string().max(64), z.string().max(512)),
  /** Event time that the numbers are of. */
  window_start: z.iso.datetime(),
  window_end: z.iso.datetime(),
  /** Log time at which it came to this state. */
  at: z.iso.datetime(),
  summary: z.string().max(512),
  /** The numbers that decided: observed, limit, baseline …. */
  values: z.record(z.string().max(64), z.number()),
  /** Those that are money: USD. */
  amounts: z.record(z.string().max(64), UsdSchema).default({}),
  /** Ids of events: of many, some. */
  evidence: z.array(z.uuid()).max(100),
});
export type Alert = z.infer<typeof AlertSchema>;
