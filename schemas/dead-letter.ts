import { z } from 'zod';
import { RECORD_KINDS } from './record.ts';

/**
 * Why an event did not become a call, with its bytes: the value on `mcp.dlq.v1`. The raw record's headers travel
 * beside it unchanged, so that a replay is the same record.
 */
export const DeadLetterSchema = z.strictObject({
  /** Stable code, `TM_…`. */
  code: z.string().regex(/^TM_[A-Z0-9_]+$/),
  /** What and where; no payload. */
  message: z.string().max(1024),
  hint: z.string().max(1024),
  failed_at: z.iso.datetime(),
  raw: z.strictObject({
    kind: z.enum(RECORD_KINDS).or(z.literal('unknown')),
    partition: z.int().min(0),
    offset: z.string().regex(/^\d+$/),
    headers: z.record(z.string(), z.string()),
    /** The bytes as they came, base64: they may not be text. */
    value_base64: z.string(),
    /** True where the bytes were cut to fit the log. */
    cut: z.boolean(),
  }),
});
export type DeadLetter = z.infer<typeof DeadLetterSchema>;
