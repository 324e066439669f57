import { z } from 'zod';

/** An alert on `mcp.alerts.v1`. Its id is a hash of rule, key and window: a replay raises nothing twice. */
export const AlertSchema = z.strictObject({
  alert_id: z.string().regex(/^[0-9a-f]{32}$/),
  rule: z.string().max(128),
  kind: z.string().max(64),
  severity: z.enum(['info', 'warning', 'critical']),
  state: z.enum(['firing', 'resolved']),
  /** What it is about: caller, tool, team …. */
  key: z.record(z.string().max(64), z.string().max(512)),
  window_start: z.iso.datetime(),
  window_end: z.iso.datetime(),
  at: z.iso.datetime(),
  summary: z.string().max(512),
  /** The numbers that decided: observed, limit, baseline …. */
  values: z.record(z.string().max(64), z.number()),
  evidence: z.array(z.uuid()).max(100),
});
export type Alert = z.infer<typeof AlertSchema>;
