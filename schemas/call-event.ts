import { z } from 'zod';

export { CALL_EVENT_VERSION } from './call-event-version.ts';

/** How a call ended. Exclusive; the first terminal one wins; `interim` is not terminal. */
export const OUTCOMES = [
  'ok',
  'tool_error',
  'protocol_error',
  'upstream_error',
  'timeout',
  'cancelled',
  'disconnected',
  'denied',
  'rate_limited',
  'malformed',
  'lost',
  'interim',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const VANTAGES = ['client', 'gateway', 'server'] as const;
export type Vantage = (typeof VANTAGES)[number];

export const COLLECTOR_KINDS = ['sdk', 'stdio', 'gateway', 'otlp', 'ingest', 'reprice'] as const;
export type CollectorKind = (typeof COLLECTOR_KINDS)[number];

export const CALLER_SOURCES = ['mtls', 'jwt', 'api_key', 'os_user', 'header', 'declared', 'none'] as const;
export type CallerSource = (typeof CALLER_SOURCES)[number];

/**
 * captured: the whole text is here · truncated: its first part is · omitted: left out by configuration or for its
 * size · withheld: the scrubber failed, so nothing is kept · none: the message had no such part.
 */
export const CONTENT_STATES = ['captured', 'truncated', 'omitted', 'withheld', 'none'] as const;
export type ContentState = (typeof CONTENT_STATES)[number];

/** Text without NUL, which ClickHouse and terminals take badly; collectors replace it with U+FFFD. */
const text = (max: number) => z.string().max(max);
const label = text(512);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const timestamp = z.iso.datetime({ offset: false });
/** USD, decimal string, at most 12 digits after the point. */
export const UsdSchema = z.string().regex(/^-?\d{1,26}(\.\d{1,12})?$/);

/** HMAC-SHA256 over the RFC 8785 form, base64url, and the id of its key. */
export const KeyedHashSchema = z.strictObject({
  kid: text(64),
  value: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});

/** One side of a call: its arguments or its result, as JSON text. */
export const ContentSchema = z.strictObject({
  state: z.enum(CONTENT_STATES),
  /** Size of the whole JSON text in UTF-8 bytes, before scrubbing and truncation. */
  bytes: count,
  /** JSON text: the message's own (`wire`) or `JSON.stringify` of what an SDK parsed (`reserialized`). */
  text: z.string().optional(),
  source: z.enum(['wire', 'reserialized']).optional(),
  hash: KeyedHashSchema.optional(),
  /** Images, audio and blobs: never stored, only counted (bytes of their base64 text). */
  media: z.strictObject({ items: count, bytes: count }).optional(),
  /** What the edge scrub did: engine version, key id of the pseudonyms, findings by type. */
  scrub: z.strictObject({ version: text(32), kid: text(64), findings: z.record(text(64), count) }).optional(),
});
export type Content = z.infer<typeof ContentSchema>;

/** Fields disjoint: `input` excludes cache reads and writes, `output` excludes reasoning. Tokens. */
export const UsageSchema = z.strictObject({
  input: count.optional(),
  output: count.optional(),
  cache_read: count.optional(),
  cache_write: count.optional(),
  reasoning: count.optional(),
});
export type Usage = z.infer<typeof UsageSchema>;

const common = {
  schema_version: z.int().min(1),
  event_id: z.uuid(),
  /** The call this observation is of; several vantage points may share it. */
  call_id: text(64).min(1),
  collector: z.strictObject({ kind: z.enum(COLLECTOR_KINDS), version: text(64) }),
  /** False where the spool was memory only. */
  durable: z.boolean(),
  tags: z
    .record(text(128), text(1024))
    .refine((tags) => Object.keys(tags).length <= 64, 'at most 64 tags')
    .meta({ maxProperties: 64 }),
};

/** An observation of one call by one collector. Names follow OpenTelemetry's conventions: see `otel.ts`. */
export const ObservedCallSchema = z.strictObject({
  ...common,
  kind: z.literal('call'),
  vantage: z.enum(VANTAGES),
  /** A `meter` inside a `wrap`: it is seen, and does not count. */
  nested: z.boolean().optional(),
  links: z.strictObject({ parent_call_id: text(64).optional() }).optional(),
  trace: z
    .strictObject({
      traceparent: z.string().regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/),
      tracestate: text(512).optional(),
    })
    .optional(),
  method: label,
  tool: label.optional(),
  resource_uri: text(2048).optional(),
  prompt: label.optional(),
  server: z.strictObject({ name: label, version: label.optional() }),
  client: z.strictObject({ name: label, version: label.optional() }).optional(),
  protocol_version: text(32).optional(),
  transport: z.enum(['stdio', 'http', 'sse', 'memory', 'other']),
  session_id: label.optional(),
  /** JSON-RPC ids are strings or numbers, and "1" is not 1. Absent where the message had none that could be read. */
  request_id: z.strictObject({ type: z.enum(['string', 'number']), value: text(256) }).optional(),
  caller: z.strictObject({
    id: label,
    source: z.enum(CALLER_SOURCES),
    verified: z.boolean(),
    acting_as: label.optional(),
  }),
  ip: text(64).optional(),
  started_at: timestamp,
  duration_us: count,
  outcome: z.enum(OUTCOMES),
  error: z.strictObject({ code: text(64).optional(), text: text(1024).optional() }).optional(),
  /** An answer came after the call had ended another way. */
  late_answer: z.boolean().optional(),
  arguments: ContentSchema,
  result: ContentSchema,
  model: z.strictObject({ name: label, source: z.enum(['reported', 'tag', 'rule']) }).optional(),
  usage: UsageSchema.optional(),
  cost: z.strictObject({ amount_usd: UsdSchema }).optional(),
});
export type ObservedCall = z.infer<typeof ObservedCallSchema>;

/** One line of a call's cost. `unit_price_usd` is per one `unit`; amount = quantity × unit price. */
export const CostLineSchema = z.strictObject({
  kind: z.enum(['tool_fee', 'arguments', 'result', 'definitions', 'compute', 'reported']),
  quantity: z.string().regex(/^-?\d{1,26}(\.\d{1,12})?$/),
  unit: z.enum(['call', 'token', 'second', 'usd']),
  unit_price_usd: UsdSchema,
  amount_usd: UsdSchema,
  price_id: text(256),
  basis: z.enum(['reported', 'metered', 'estimated', 'unpriced']),
});
export type CostLine = z.infer<typeof CostLineSchema>;

/** A later correction of a call's cost: the call's time, its own recorded time, and a call count of 0. */
export const AdjustmentSchema = z.strictObject({
  ...common,
  kind: z.literal('adjustment'),
  /** The observation that is corrected. */
  adjusts: z.uuid(),
  /** The corrected call's own time and labels, so that the adjustment lands in the same groups. */
  ts: timestamp,
  labels: z.strictObject({
    method: label,
    tool: label,
    server: label,
    caller: label,
    team: label,
    cost_center: label,
    project: label,
    environment: label,
    model: label,
  }),
  reason: text(256),
  /** Differences: new line minus old line; amounts may be negative. */
  cost_lines: z.array(CostLineSchema).min(1).max(64),
});
export type Adjustment = z.infer<typeof AdjustmentSchema>;

export const CallEventSchema = z.discriminatedUnion('kind', [ObservedCallSchema, AdjustmentSchema]);
/** What a collector publishes to `mcp.calls.raw.v1`. */
export type CallEvent = z.infer<typeof CallEventSchema>;
