import { z } from 'zod';

/**
 * What `mcp.calls.v1` carries beside calls, told apart by the header `tm-record`: absent or `call` for a
 * `MeteredCall`, else one of these. All are written by the owner of the partition, in order with the calls.
 */
export const CALLS_RECORD = { call: 'call', tick: 'tick', completeness: 'completeness' } as const;

/** Time moves in the log even when nobody calls: at least one a minute and partition. */
export const TickSchema = z.strictObject({ partition: z.int().min(0), at: z.iso.datetime() });
export type Tick = z.infer<typeof TickSchema>;

/** One lane of the completeness ledger, as of the records before it; a later row of the same lane replaces it. */
export const CompletenessRowSchema = z.strictObject({
  collector: z.string(),
  instance: z.string(),
  epoch: z.uuid(),
  lane: z.int().min(0),
  /** Highest number known to have been given (from events, `alive`, `end`). */
  expected: z.int().min(0),
  landed: z.int().min(0),
  dead: z.int().min(0),
  dropped: z.int().min(0),
  /** Ranges of numbers that were given and have not arrived, oldest first: at most 100 pairs [first, last]. */
  missing: z.array(z.tuple([z.int(), z.int()])),
  missing_count: z.int().min(0),
  first_seen: z.iso.datetime(),
  last_seen: z.iso.datetime(),
  ended: z.boolean(),
  verdict: z.enum(['complete', 'unconfirmed', 'missing']),
});
export type CompletenessRow = z.infer<typeof CompletenessRowSchema>;
