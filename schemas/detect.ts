import { z } from 'zod';

const DAY_S = 86_400;
const label = z.string().min(1).max(512);
const patterns = z.union([label, z.array(label).min(1).max(1000)]);
const share = z.number().gt(0).max(1);

/** The calls that a rule looks at: all of it must fit; `*` stands for any run of characters. */
const MatchSchema = z
  .strictObject({
    team: patterns.optional(),
    server: patterns.optional(),
    tool: patterns.optional(),
    caller: patterns.optional(),
  })
  .refine((match) => Object.keys(match).length > 0, 'asks for nothing; leave it out for every call');
export type DetectMatch = z.infer<typeof MatchSchema>;

const common = (severity: 'info' | 'warning' | 'critical') => ({
  id: label.max(128).describe('Names the rule on its alerts, and is a part of their ids.'),
  enabled: z.boolean().default(true),
  severity: z.enum(['info', 'warning', 'critical']).default(severity),
  match: MatchSchema.optional(),
  episode_s: z
    .int()
    .min(60)
    .max(31 * DAY_S)
    .default(3600)
    .describe('What goes on is one alert in each span of this length.'),
  resolve_after_s: z
    .int()
    .min(1)
    .max(7 * DAY_S)
    .default(300)
    .describe('An alert resolves when it has been below its resolving limit for this long.'),
  max_keys: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(100_000)
    .describe('Keys whose state is held; of more, the least recently used are forgotten, and counted.'),
});

export const RateLimitAbuseSchema = z.strictObject({
  ...common('warning'),
  kind: z.literal('rate_limit_abuse'),
  by: z.enum(['caller', 'team', 'server_tool']).default('caller'),
  rate_per_s: z.number().gt(0).max(1e6).default(10).describe('Tokens that the bucket gains a second.'),
  burst: z.int().min(1).max(1e9).default(100).describe('Tokens that the bucket holds.'),
  limited_calls: z
    .int()
    .min(1)
    .max(1e9)
    .default(20)
    .describe('Answers `rate_limited` within `window_s` that are too many …'),
  limited_slots: z
    .int()
    .min(1)
    .max(12)
    .default(2)
    .describe(
      '… where they fall into at least so many twelfths of it: calls went on after the first of them.',
    ),
  window_s: z.int().min(12).max(3600).default(60),
  resolve_share: share.default(0.5).describe('Resolving limit, as a share of the firing one.'),
});

export const RunawayLoopSchema = z.strictObject({
  ...common('warning'),
  kind: z.literal('runaway_loop'),
  calls: z
    .int()
    .min(2)
    .max(1e9)
    .default(20)
    .describe('Calls of one caller, tool and arguments within `window_s`.'),
  window_s: z.int().min(12).max(3600).default(60),
  resolve_share: share.default(0.5),
});

const baseline = {
  window_s: z.int().min(10).max(3600).default(300),
  min_calls: z
    .int()
    .min(1)
    .max(1e9)
    .default(20)
    .describe('Calls in a window for it to be judged, and learnt from.'),
  min_windows: z.int().min(3).max(1000).default(12).describe('Windows that a baseline needs.'),
  baseline_windows: z.int().min(3).max(1000).default(288).describe('Windows that it is learnt from.'),
};

export const ErrorRateSchema = z.strictObject({
  ...common('critical'),
  ...baseline,
  kind: z.literal('error_rate'),
  fire_z: z.number().gt(0).max(1000).default(6),
  resolve_z: z.number().gt(0).max(1000).default(3),
  min_increase: share.default(0.05).describe('Least increase of the share of errors.'),
});

export const LatencySchema = z.strictObject({
  ...common('warning'),
  ...baseline,
  kind: z.literal('latency'),
  quantile: z.number().min(0.5).max(0.999).default(0.95),
  fire_z: z.number().gt(0).max(1000).default(6),
  resolve_z: z.number().gt(0).max(1000).default(3),
  min_ratio: z.number().min(1).max(1000).default(1.5).describe('Least ratio to the baseline.'),
  min_increase_ms: z.number().min(0).max(1e7).default(50),
});

export const SpendSpikeSchema = z.strictObject({
  ...common('critical'),
  kind: z.literal('spend_spike'),
  window_s: z.int().min(600).max(DAY_S).default(3600),
  baseline_windows: z.int().min(3).max(2000).default(168),
  min_windows: z.int().min(3).max(2000).default(24),
  ratio: z.number().min(1).max(1e6).default(3).describe('Spend of a window over the baseline median.'),
  deviations: z
    .number()
    .min(0)
    .max(1e6)
    .default(6)
    .describe('And over the median by so many MADs (× 1.4826).'),
  min_usd: z
    .string()
    .regex(/^\d{1,20}(\.\d{1,12})?$/, 'expected an amount in USD such as 10 or 0.50')
    .default('10')
    .describe('No window below this is a spike.'),
});

export const FirstSeenSchema = z.strictObject({
  ...common('info'),
  kind: z.literal('first_seen'),
  episode_s: z
    .int()
    .min(3600)
    .max(366 * DAY_S)
    .default(30 * DAY_S)
    .describe('A pair is told of at most once in each span of this length.'),
  resolve_after_s: z
    .int()
    .min(1)
    .max(7 * DAY_S)
    .default(3600),
  learn_s: z
    .int()
    .min(0)
    .max(366 * DAY_S)
    .default(DAY_S)
    .describe('What a caller uses within this time after its own first call is taken as its habit.'),
});

export const DetectRuleSchema = z.discriminatedUnion('kind', [
  RateLimitAbuseSchema,
  RunawayLoopSchema,
  ErrorRateSchema,
  LatencySchema,
  SpendSpikeSchema,
  FirstSeenSchema,
]);
export type DetectRule = z.infer<typeof DetectRuleSchema>;
export type DetectKind = DetectRule['kind'];
export type RuleOf<K extends DetectKind> = Extract<DetectRule, { kind: K }>;

/** The rules file. What contradicts within and between rules is told by `readDetectRules`, with its line. */
export const DetectRulesSchema = z.strictObject({
  allowed_lateness_s: z
    .int()
    .min(0)
    .max(3600)
    .default(300)
    .describe('Calls may arrive out of order by this much without changing an alert.'),
  rules: z.array(DetectRuleSchema, { error: 'expected a list; for no rules write `rules: []`' }).max(200),
});
export type DetectRules = z.infer<typeof DetectRulesSchema>;
