import { z } from 'zod';
import {
  CALLER_SOURCES,
  COLLECTOR_KINDS,
  CONTENT_STATES,
  CostLineSchema,
  OUTCOMES,
  UsdSchema,
  VANTAGES,
} from './call-event.ts';

/** Version of the processors' results: a row says by which it was made. */
export const PROCESSING_VERSION = 1;

const text = z.string();
const count = z.int().min(0);

/**
 * A call after processing: flat, and each name is the column of the table `calls`, so that the sink adds the log's
 * coordinates and concatenates. Absent text is `''`, as in the table.
 */
export const MeteredCallSchema = z.strictObject({
  schema_version: z.int().min(1),
  processing_version: z.int().min(1),
  kind: z.enum(['call', 'adjustment']),
  event_id: z.uuid(),
  call_id: text,
  /** `''` on foreign events. */
  collector: text,
  instance: text,
  epoch: text,
  lane: count,
  seq: count,
  collector_kind: z.enum(COLLECTOR_KINDS),
  collector_version: text,
  durable: z.boolean(),
  vantage: z.enum([...VANTAGES, '']),
  nested: z.boolean(),
  parent_call_id: text,
  trace_id: text,
  span_id: text,
  method: text,
  tool: text,
  resource_uri: text,
  prompt: text,
  server: text,
  server_version: text,
  client: text,
  client_version: text,
  protocol_version: text,
  transport: text,
  session_id: text,
  request_id: text,
  request_id_type: z.enum(['string', 'number', '']),
  caller: text,
  caller_source: z.enum(CALLER_SOURCES),
  caller_verified: z.boolean(),
  acting_as: text,
  ip: text,
  tags: z.record(text, text),
  /** When the call began: event time, UTC, microseconds. */
  ts: z.iso.datetime(),
  duration_us: count,
  outcome: z.enum([...OUTCOMES, '']),
  error_code: text,
  error_text: text,
  late_answer: z.boolean(),
  arguments_state: z.enum(CONTENT_STATES),
  arguments_bytes: count,
  arguments_text: text,
  arguments_hash: text,
  result_state: z.enum(CONTENT_STATES),
  result_bytes: count,
  result_text: text,
  result_hash: text,
  /** Key ids: of the content hashes, and of the pseudonyms. */
  hash_kid: text,
  pseudonym_kid: text,
  media_items: count,
  media_bytes: count,
  /** Findings by type, in arguments and result, at edge and stream. */
  pii: z.record(text, count),
  tokens_arguments: count,
  tokens_result: count,
  tokens_definitions: count,
  tokens_basis: z.enum(['reported', 'metered', 'estimated', 'none']),
  tokenizer: text,
  model: text,
  model_source: z.enum(['reported', 'tag', 'rule', 'none']),
  cost_usd: UsdSchema,
  cost_basis: z.enum(['reported', 'metered', 'estimated', 'unpriced']),
  cost_lines: z.array(CostLineSchema),
  team: text,
  cost_center: text,
  project: text,
  environment: text,
  /** Which directory rule decided, `''` where none did. */
  attribution: text,
  /** Whether this observation is the one that counts in calls and cost. */
  counted: z.boolean(),
  /** How many calls this row adds: 1 where `counted`, 0 for adjustments and other vantage points. */
  calls: z.int().min(0).max(1),
  /** Adjustments: the event that is corrected, and why. */
  adjusts: text,
  reason: text,
  trusted: z.boolean(),
  /** Offset of the raw record in the same partition of `mcp.calls.raw.v1`. */
  raw_offset: count,
});
export type MeteredCall = z.infer<typeof MeteredCallSchema>;

const ZEROS: readonly unknown[] = ['', 0, false, [], {}];

/**
 * A `MeteredCall` as it stands on `mcp.calls.v1`: fields that are zero, false or empty may be left out, since that is
 * what they then are (also in the table). It is what a reader of the topic parses with.
 */
export const MeteredCallRecordSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(MeteredCallSchema.shape).map(([name, field]: [string, z.ZodType]) => {
      const zero = ZEROS.find((value) => field.safeParse(value).success);
      return [name, zero === undefined ? field : field.default(zero)];
    }),
  ),
);
