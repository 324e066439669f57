import { z } from 'zod';
import { CostLineSchema, OUTCOMES, UsdSchema, VANTAGES } from './call-event.ts';
import { CompletenessRowSchema } from './calls-topic.ts';
import { MeteredCallSchema } from './metered-call.ts';

/**
 * Shapes of what the store answers and the API gives out: filters as they come in (parsed), rows as they go out.
 * Money is an exact USD decimal string, an offset a decimal string, a count a number, a time ISO 8601 in UTC.
 */
const text = z.string().max(2048);
const count = z.int().min(0);
const instant = z.iso.datetime();
const OFFSET = /^\d{1,19}$/;

/** Labels by which calls are filtered and grouped. */
export const LABELS = [
  'team',
  'cost_center',
  'project',
  'environment',
  'caller',
  'server',
  'tool',
  'model',
] as const;
export type Label = (typeof LABELS)[number];

/** Any of the values of each label; a label that is left out does not restrict. `''` is "not known". */
export const LabelFilterSchema = z.partialRecord(z.enum(LABELS), z.array(text).min(1).max(100));
export type LabelFilter = z.infer<typeof LabelFilterSchema>;

/** Event time, `from` ≤ ts < `to`. */
const range = { from: instant, to: instant };

export const SPEND_GROUPS = [...LABELS, 'basis', 'hour', 'day', 'month'] as const;
export type SpendGroup = (typeof SPEND_GROUPS)[number];

export const SpendFilterSchema = z.strictObject({
  ...range,
  group_by: z.array(z.enum(SPEND_GROUPS)).max(6).default(['team']),
  where: LabelFilterSchema.default({}),
  /** Only what had been recorded before this time: the report as it was then. */
  as_known_at: instant.optional(),
  limit: z.int().min(1).max(10_000).default(1_000),
});
export type SpendFilter = z.infer<typeof SpendFilterSchema>;

const spendMeasures = {
  /** Counted calls; adjustments and other vantage points add none. */
  calls: count,
  /** Those that ended neither `ok`, `interim` nor `cancelled`. */
  errors: count,
  /** What the model wrote. */
  tokens_arguments: count,
  /** What the model read. */
  tokens_result: count,
  tokens_definitions: count,
  cost_usd: UsdSchema,
  /** How much of the cost rests on what; the amounts add up to `cost_usd`. `unpriced` costs 0 and is counted. */
  by_basis: z.strictObject({
    reported: z.strictObject({ calls: count, cost_usd: UsdSchema }),
    metered: z.strictObject({ calls: count, cost_usd: UsdSchema }),
    estimated: z.strictObject({ calls: count, cost_usd: UsdSchema }),
    unpriced: z.strictObject({ calls: count, cost_usd: UsdSchema }),
  }),
};

/** `group` has one entry for each of `group_by`: a label's value, `basis`, or the start of an hour, day or month. */
export const SpendRowSchema = z.strictObject({
  group: z.partialRecord(z.enum(SPEND_GROUPS), z.string()),
  ...spendMeasures,
});
export type SpendRow = z.infer<typeof SpendRowSchema>;

export const SpendResultSchema = z.strictObject({
  /** Highest cost first; groups of time in time's order. */
  rows: z.array(SpendRowSchema),
  /** Over all groups, also those beyond `limit`. */
  total: z.strictObject(spendMeasures),
  truncated: z.boolean(),
});
export type SpendResult = z.infer<typeof SpendResultSchema>;

export const CallsFilterSchema = z.strictObject({
  ...range,
  where: LabelFilterSchema.default({}),
  outcome: z.array(z.enum(OUTCOMES)).min(1).optional(),
  vantage: z.enum(VANTAGES).optional(),
  method: text.optional(),
  session_id: text.optional(),
  trace_id: text.optional(),
  /** Calls with findings of this type. */
  pii: text.optional(),
  /** Only what counts (true), only what does not (false), or all observations. */
  counted: z.boolean().optional(),
  min_duration_us: count.optional(),
  /** `next` of the page before. */
  cursor: z.string().max(256).optional(),
  limit: z.int().min(1).max(1_000).default(100),
});
export type CallsFilter = z.infer<typeof CallsFilterSchema>;

/** A row of the table without its content and cost lines. */
export const CallSummarySchema = MeteredCallSchema.pick({
  kind: true,
  event_id: true,
  call_id: true,
  collector_kind: true,
  vantage: true,
  method: true,
  tool: true,
  resource_uri: true,
  prompt: true,
  server: true,
  client: true,
  session_id: true,
  trace_id: true,
  caller: true,
  caller_source: true,
  caller_verified: true,
  ts: true,
  duration_us: true,
  outcome: true,
  error_code: true,
  arguments_bytes: true,
  result_bytes: true,
  pii: true,
  tokens_arguments: true,
  tokens_result: true,
  tokens_definitions: true,
  tokens_basis: true,
  model: true,
  model_source: true,
  cost_usd: true,
  cost_basis: true,
  team: true,
  cost_center: true,
  project: true,
  environment: true,
  attribution: true,
  counted: true,
}).extend({ recorded_at: instant });
export type CallSummary = z.infer<typeof CallSummarySchema>;

export const CallsResultSchema = z.strictObject({
  /** Newest first. */
  rows: z.array(CallSummarySchema),
  /** Cursor of the next page, null where this was the last. */
  next: z.string().nullable(),
});
export type CallsResult = z.infer<typeof CallsResultSchema>;

/** A whole row, with the log's coordinates. */
export const StoredCallSchema = MeteredCallSchema.extend({
  log_id: z.string(),
  partition: count,
  offset: z.string().regex(OFFSET),
  raw_offset: z.string().regex(OFFSET),
  recorded_at: instant,
});
export type StoredCall = z.infer<typeof StoredCallSchema>;

export const CallDetailSchema = z.strictObject({
  call: StoredCallSchema,
  /** The same call as other vantage points saw it. */
  observations: z.array(CallSummarySchema),
  /** Corrections of this row, oldest first. */
  adjustments: z.array(
    z.strictObject({
      event_id: z.uuid(),
      reason: z.string(),
      recorded_at: instant,
      cost_usd: UsdSchema,
      cost_lines: z.array(CostLineSchema),
    }),
  ),
  /** The row's cost and all its adjustments'. */
  cost_usd_now: UsdSchema,
});
export type CallDetail = z.infer<typeof CallDetailSchema>;

export const LATENCY_GROUPS = [...LABELS, 'method', 'vantage', 'outcome'] as const;
export type LatencyGroup = (typeof LATENCY_GROUPS)[number];

/**
 * Where vantage is neither grouped by nor filtered, only counted observations are taken, so that one call is one
 * sample. Calls that were lost have no duration and are left out.
 */
export const LatencyFilterSchema = z.strictObject({
  ...range,
  group_by: z.array(z.enum(LATENCY_GROUPS)).max(6).default(['server', 'tool']),
  where: LabelFilterSchema.default({}),
  vantage: z.enum(VANTAGES).optional(),
  /** Width of a time bucket in seconds; absent: one bucket. */
  bucket_s: z.int().min(1).max(31_536_000).optional(),
  limit: z.int().min(1).max(10_000).default(1_000),
});
export type LatencyFilter = z.infer<typeof LatencyFilterSchema>;

export const LatencyRowSchema = z.strictObject({
  group: z.partialRecord(z.enum(LATENCY_GROUPS), z.string()),
  /** Start of the bucket; null where there is only one. */
  bucket: instant.nullable(),
  calls: count,
  errors: count,
  /** Microseconds. */
  p50_us: count,
  p90_us: count,
  p95_us: count,
  p99_us: count,
  max_us: count,
});
export type LatencyRow = z.infer<typeof LatencyRowSchema>;

export const LatencyResultSchema = z.strictObject({
  rows: z.array(LatencyRowSchema),
  truncated: z.boolean(),
});
export type LatencyResult = z.infer<typeof LatencyResultSchema>;

/** Who calls, what is called: the three inventories. */
export const INVENTORIES = ['callers', 'servers', 'tools'] as const;
export type Inventory = (typeof INVENTORIES)[number];

export const InventoryFilterSchema = z.strictObject({
  ...range,
  where: LabelFilterSchema.default({}),
  limit: z.int().min(1).max(10_000).default(1_000),
});
export type InventoryFilter = z.infer<typeof InventoryFilterSchema>;

const inventoryMeasures = {
  /** Every vantage point's, counted or not: a server with observations and no calls is one that no policy counts. */
  observations: count,
  /** Counted ones, one a call; the measures below are theirs. */
  calls: count,
  /** Those that ended neither `ok`, `interim` nor `cancelled`. */
  errors: count,
  /** Microseconds; null where no counted call has a duration. */
  p95_us: count.nullable(),
  /** Findings of personal data and secrets. */
  findings: count,
  /** The first hundred, sorted; `''` is "not known". */
  teams: z.array(z.string()),
  /** Event time of the first and the last observation in the range. */
  first_seen: instant,
  last_seen: instant,
};

export const CallersResultSchema = z.strictObject({
  /** Most observations first. A name from another source, or verified, is another caller. */
  rows: z.array(
    z.strictObject({
      caller: z.string(),
      caller_source: z.string(),
      caller_verified: z.boolean(),
      servers: count,
      tools: count,
      ...inventoryMeasures,
    }),
  ),
  truncated: z.boolean(),
});
export const ServersResultSchema = z.strictObject({
  rows: z.array(
    z.strictObject({
      server: z.string(),
      /** As the last observation that has one says. */
      server_version: z.string(),
      transports: z.array(z.string()),
      vantages: z.array(z.string()),
      tools: count,
      callers: count,
      ...inventoryMeasures,
    }),
  ),
  truncated: z.boolean(),
});
export const ToolsResultSchema = z.strictObject({
  rows: z.array(
    z.strictObject({ server: z.string(), tool: z.string(), callers: count, ...inventoryMeasures }),
  ),
  truncated: z.boolean(),
});
export interface InventoryResults {
  callers: z.infer<typeof CallersResultSchema>;
  servers: z.infer<typeof ServersResultSchema>;
  tools: z.infer<typeof ToolsResultSchema>;
}

export const CompletenessFilterSchema = z.strictObject({
  collector: text.optional(),
  verdict: z.enum(['complete', 'unconfirmed', 'missing']).optional(),
  /** Lanes last seen at or after this time. */
  seen_since: instant.optional(),
  limit: z.int().min(1).max(10_000).default(1_000),
});
export type CompletenessFilter = z.infer<typeof CompletenessFilterSchema>;

export const CompletenessResultSchema = z.strictObject({
  /** Over all lanes that fit the filter: the worst verdict of them, null where there is none. */
  verdict: z.enum(['complete', 'unconfirmed', 'missing']).nullable(),
  lanes: count,
  expected: count,
  landed: count,
  dead: count,
  dropped: count,
  missing_count: count,
  /** Worst first, then the last seen. */
  rows: z.array(CompletenessRowSchema),
  truncated: z.boolean(),
});
export type CompletenessResult = z.infer<typeof CompletenessResultSchema>;

export const DeadLettersFilterSchema = z.strictObject({
  /** Time of the dead letter's own record. */
  ...range,
  code: z
    .string()
    .regex(/^TM_[A-Z0-9_]{1,61}$/)
    .optional(),
  collector: text.optional(),
  cursor: z.string().max(256).optional(),
  limit: z.int().min(1).max(1_000).default(100),
});
export type DeadLettersFilter = z.infer<typeof DeadLettersFilterSchema>;

/** A dead letter without its bytes, which stay in the log (`toolmeter dlq`). */
export const StoredDeadLetterSchema = z.strictObject({
  partition: count,
  offset: z.string().regex(OFFSET),
  recorded_at: instant,
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  failed_at: instant,
  raw_partition: count,
  raw_offset: z.string().regex(OFFSET),
  collector: z.string(),
  instance: z.string(),
  epoch: z.string(),
  lane: count,
  seq: z.string().regex(OFFSET),
  value_bytes: count,
});
export type StoredDeadLetter = z.infer<typeof StoredDeadLetterSchema>;

export const DeadLettersResultSchema = z.strictObject({
  /** Newest first. */
  rows: z.array(StoredDeadLetterSchema),
  next: z.string().nullable(),
  /** How many of each code in the whole range. */
  by_code: z.array(z.strictObject({ code: z.string(), count })),
});
export type DeadLettersResult = z.infer<typeof DeadLettersResultSchema>;
