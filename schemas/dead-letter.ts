import { z } from 'zod';

/**
 * Why a raw record did not become a call. On `mcp.dlq.v1` the value is the record's own bytes, whole, beside its own
 * headers, so that a replay is the same record; what is below travels in headers of its own (`DEAD_HEADER`).
 */
export const DeadLetterSchema = z.strictObject({
  /** Stable code, `TM_…`. */
  code: z.string().regex(/^TM_[A-Z0-9_]+$/),
  /** What and where; no payload. */
  message: z.string().max(1024),
  hint: z.string().max(1024),
  /** When the log took the raw record. */
  failed_at: z.iso.datetime(),
  raw_partition: z.int().min(0),
  /** Decimal string: log offsets are 64-bit. */
  raw_offset: z.string().regex(/^\d{1,19}$/),
});
export type DeadLetter = z.infer<typeof DeadLetterSchema>;

const PREFIX = 'tm-dead-';
const FIELDS = ['code', 'message', 'hint', 'failed_at', 'raw_partition', 'raw_offset'] as const;

/** The headers of a dead letter: the raw record's own and the reason's. */
export function deadLetterHeaders(
  letter: DeadLetter,
  rawHeaders: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: Record<string, string> = { ...rawHeaders };
  for (const field of FIELDS) headers[PREFIX + field.replace('_', '-')] = String(letter[field]);
  return headers;
}

/** The reason and the raw record's own headers, or null where the headers are not a dead letter's. */
export function readDeadLetter(
  headers: Readonly<Record<string, string>>,
): { letter: DeadLetter; rawHeaders: Record<string, string> } | null {
  const rawHeaders: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (!name.startsWith(PREFIX)) rawHeaders[name] = value;
  const fields: Record<string, unknown> = {};
  for (const field of FIELDS) fields[field] = headers[PREFIX + field.replace('_', '-')];
  const partition = fields.raw_partition;
  fields.raw_partition =
    typeof partition === 'string' && /^\d{1,6}$/.test(partition) ? Number(partition) : undefined;
  const parsed = DeadLetterSchema.safeParse(fields);
  return parsed.success ? { letter: parsed.data, rawHeaders } : null;
}
