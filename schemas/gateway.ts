import { z } from 'zod';
import { parseCidr } from './directory.ts';
import { distinctNames } from './distinct-names.ts';

const label = z.string().min(1).max(512);
const patterns = z.union([label, z.array(label).min(1).max(10_000)]);
const ms = (max: number) => z.int().min(0).max(max);
const SECOND = 1_000;
const HOUR = 3_600_000;

const httpUrl = z
  .url({ protocol: /^https?$/ })
  .refine((text) => {
    const { username, password, hash } = new URL(text);
    return username === '' && password === '' && hash === '';
  }, 'an address without user, password and fragment; credentials go under `headers`')
  .max(2048);

/** A header value, or where it is kept: secrets come by reference only. */
const headerValue = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
]);

export const GatewayServerSchema = z.strictObject({
  url: httpUrl.describe("The upstream's Streamable HTTP endpoint."),
  anonymous: z.boolean().default(false).describe('Whether callers without a key may use it.'),
  headers: z
    .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/), headerValue)
    .default({})
    .describe('Headers that every request to the upstream carries, by reference: {env} or {file}.'),
  call_ms: ms(HOUR).min(1).optional().describe('Overrides `timeouts.call_ms` for this server.'),
});

/** Who may call what. A rule fits where all that it names fits; of several patterns one must. `*`: any run. */
export const GatewayRuleSchema = z.strictObject({
  id: label.max(128).describe('Names the rule in the record of each call that it denies.'),
  effect: z.enum(['allow', 'deny']),
  caller: patterns.optional().describe('Name of the caller; one without a key is `anonymous`.'),
  team: patterns.optional().describe('Team of the key; a key without one fits no team.'),
  server: patterns.optional(),
  tool: patterns.optional().describe('Only of tools/call requests.'),
});

export const BUCKET_DIMENSIONS = ['caller', 'team', 'server', 'tool'] as const;

export const GatewayBucketSchema = z.strictObject({
  id: label.max(128).describe('Names the bucket in the record of each call that is over it.'),
  per: z
    .array(z.enum(BUCKET_DIMENSIONS))
    .max(4)
    .describe('One bucket for each combination of these; none: one for all calls.'),
  rate_per_s: z.number().positive().max(1e6).describe('Tokens that come back a second.'),
  burst: z.number().min(1).max(1e6).describe('Tokens that a full bucket holds.'),
  counts: z
    .enum(['tools', 'requests'])
    .default('tools')
    .describe('What takes a token: tools/call alone, or every JSON-RPC request.'),
  caller: patterns.optional(),
  team: patterns.optional(),
  server: patterns.optional(),
  tool: patterns.optional(),
});

const uniqueIds = (items: readonly { readonly id: string }[]): boolean =>
  new Set(items.map(({ id }) => id)).size === items.length;

/** The `gateway` section of `toolmeter.yaml`. */
export const GatewaySchema = z.strictObject({
  host: z.string().default('127.0.0.1').describe('Address to listen on.'),
  port: z.int().min(0).max(65535).default(7078).describe('Port to listen on; 0: any that is free.'),
  allowed_hosts: z
    .array(z.string())
    .default([])
    .describe('Host names, beside loopback, that requests may name.'),
  allowed_origins: z.array(z.string()).default([]).describe('Origins of web pages that may call.'),
  trusted_proxies: z
    .array(z.string().refine((text) => parseCidr(text) !== null, 'expected an address or a range'))
    .default([])
    .describe(
      "Addresses of proxies whose X-Forwarded-For is believed. None: a client's address is its socket's.",
    ),
  keys_file: z
    .string()
    .min(1)
    .optional()
    .describe('File of the hashed caller keys. Default: gateway-keys.json in the home folder.'),
  max_body_bytes: z
    .int()
    .min(1024)
    .max(256 * 1024 * 1024)
    .default(16 * 1024 * 1024)
    .describe('Largest request body.'),
  max_record_bytes: z
    .int()
    .min(1024)
    .max(64 * 1024 * 1024)
    .default(16 * 1024 * 1024)
    .describe('Of a larger answer only the envelope is read for the record; it passes whole.'),
  max_connections: z
    .int()
    .min(1)
    .max(65_536)
    .default(256)
    .describe('Connections to one upstream for requests; long-lived streams have their own.'),
  default_effect: z
    .enum(['allow', 'deny'])
    .default('allow')
    .describe('What holds for a call that no rule fits.'),
  servers: z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/), GatewayServerSchema)
    .superRefine(distinctNames)
    .default({})
    .describe('Upstreams by name: /servers/NAME/mcp.'),
  rules: z
    .array(GatewayRuleSchema)
    .max(10_000)
    .refine(uniqueIds, 'two have the same id')
    .default([])
    .describe('Tried in order; the first that fits decides.'),
  buckets: z
    .array(GatewayBucketSchema)
    .max(100)
    .refine(uniqueIds, 'two have the same id')
    .default([])
    .describe('Token buckets; a call must find a token in each that fits it.'),
  timeouts: z
    .strictObject({
      request_ms: ms(HOUR)
        .min(100)
        .default(30 * SECOND)
        .describe('For a request to arrive whole.'),
      connect_ms: ms(HOUR)
        .min(10)
        .default(5 * SECOND)
        .describe('For a connection to the upstream.'),
      first_byte_ms: ms(HOUR)
        .min(10)
        .default(30 * SECOND)
        .describe("For the upstream's status line, of what is no tools/call."),
      idle_ms: ms(24 * HOUR)
        .min(10)
        .default(300 * SECOND)
        .describe('Between two chunks of an answer.'),
      stream_idle_ms: ms(24 * HOUR)
        .default(0)
        .describe('The same of GET streams and subscriptions/listen; 0: no limit.'),
      call_ms: ms(HOUR)
        .min(10)
        .default(30 * SECOND)
        .describe('A tools/call ends within this, counted anew from each progress notification.'),
      call_max_ms: ms(24 * HOUR)
        .min(10)
        .default(600 * SECOND)
        .describe('And within this, whatever its progress.'),
      resume_ms: ms(HOUR)
        .default(60 * SECOND)
        .describe('How long a call whose resumable stream broke may still be answered on another.'),
      drain_ms: ms(HOUR)
        .default(15 * SECOND)
        .describe('For open calls when the gateway is told to stop.'),
    })
    .prefault({}),
});
export type GatewayConfig = z.infer<typeof GatewaySchema>;
export type GatewayServer = z.infer<typeof GatewayServerSchema>;
export type GatewayRule = z.infer<typeof GatewayRuleSchema>;
export type GatewayBucket = z.infer<typeof GatewayBucketSchema>;
