import { z } from 'zod';
import { distinctNames } from './distinct-names.ts';
import { GatewaySchema } from './gateway.ts';

/**
 * `toolmeter.yaml`. Every key has a default or is optional; each can be overridden by an environment variable, its
 * path in capitals joined with `_` after `TOOLMETER_` (`api.port` → `TOOLMETER_API_PORT`). Secrets come by reference
 * only: `{ env: NAME }` or `{ file: PATH }`.
 */
export const SecretRefSchema = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
]);
export type SecretRef = z.infer<typeof SecretRefSchema>;

const section = <T extends z.ZodRawShape>(shape: T) => z.strictObject(shape).prefault({} as never);

export const ConfigSchema = z.strictObject({
  log: section({
    brokers: z
      .array(z.string().min(1))
      .default([])
      .describe('Kafka brokers, host:port. None: the embedded log.'),
    client_id: z.string().default('toolmeter').describe('Name under which Kafka knows these clients.'),
    ssl: z.boolean().default(false).describe('TLS to the brokers. Implied by each of the files below.'),
    ssl_ca_file: z
      .string()
      .min(1)
      .optional()
      .describe("PEM file of the authorities to trust instead of the system's."),
    ssl_cert_file: z
      .string()
      .min(1)
      .optional()
      .describe('PEM file of a client certificate, where brokers ask for one.'),
    ssl_key_file: z.string().min(1).optional().describe("PEM file of that certificate's key."),
    sasl: z
      .strictObject({
        mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
        username: z.string().min(1),
        password: SecretRefSchema,
      })
      .optional()
      .describe(
        'mechanism (plain, scram-sha-256, scram-sha-512), username, password (a reference). Each has a variable too: TOOLMETER_LOG_SASL_MECHANISM …',
      ),
    compression: z
      .enum(['none', 'gzip', 'zstd'])
      .default('zstd')
      .describe('Codec of what is written to Kafka.'),
    partitions: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .describe('Partitions of each topic. Default: 6 on Kafka, 1 embedded.'),
    replication: z
      .int()
      .min(1)
      .max(15)
      .optional()
      .describe("Copies of each partition. Default: the cluster's."),
    raw_retention_days: z.number().positive().default(7).describe('Days that mcp.calls.raw.v1 is kept.'),
    calls_retention_days: z.number().positive().default(30).describe('Days that mcp.calls.v1 is kept.'),
    dlq_retention_days: z.number().positive().default(90).describe('Days that dead letters are kept.'),
  }),
  store: section({
    url: z.url().optional().describe('ClickHouse over HTTP. None: the embedded engine.'),
    user: z.string().default('default').describe('ClickHouse user.'),
    password: SecretRefSchema.optional().describe('A reference.'),
    database: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/)
      .default('toolmeter')
      .describe('ClickHouse database.'),
  }),
  clickhouse_http: section({
    port: z
      .int()
      .min(0)
      .max(65535)
      .optional()
      .describe(
        "Port of ClickHouse's HTTP interface over the embedded engine; 0: any that is free. None: `toolmeter up` has no such interface, `toolmeter store` has it on 8123.",
      ),
    host: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .describe('Address to listen on. One that others can reach needs a key.'),
    user: z.string().min(1).default('default').describe('The one user there is.'),
    key: SecretRefSchema.optional().describe("A reference to that user's password."),
    max_body_bytes: z
      .int()
      .min(1024)
      .max(1024 ** 3)
      .default(128 * 1024 * 1024)
      .describe('Largest body of a request, after decompression.'),
    places: z.int().min(1).max(64).default(4).describe('Statements that run at once.'),
    max_waiting: z
      .int()
      .min(0)
      .max(10_000)
      .default(64)
      .describe('Statements that wait for a place; beyond, the answer is 503.'),
    max_execution_s: z
      .int()
      .min(1)
      .default(60)
      .describe('Longest that a statement runs. A client can ask for less.'),
    max_memory_bytes: z
      .int()
      .min(1024 * 1024)
      .default(1024 ** 3)
      .describe('Most memory of a statement. A client can ask for less.'),
    max_result_bytes: z
      .int()
      .min(1024)
      .default(128 * 1024 * 1024)
      .describe('Largest answer. A client can ask for less.'),
  }),
  api: section({
    host: z.string().default('127.0.0.1').describe('Address to listen on.'),
    port: z.int().min(0).max(65535).default(7077).describe('Port to listen on; 0: any that is free.'),
    allowed_hosts: z
      .array(z.string())
      .default([])
      .describe('Host names, beside loopback, that requests may name.'),
    allowed_origins: z.array(z.string()).default([]).describe('Origins of web pages that may ask.'),
    max_body_bytes: z
      .int()
      .min(1024)
      .default(32 * 1024 * 1024)
      .describe('Largest request body, after decompression.'),
  }),
  directory: z.string().optional().describe('The team directory: a YAML file with attribution rules.'),
  prices: z.array(z.string()).default([]).describe('Price overlays: YAML files; later ones win.'),
  counting: section({
    default: z
      .enum(['server_side', 'client'])
      .default('server_side')
      .describe('Whose observation of a call counts.'),
    servers: z
      .record(
        z.string(),
        z.strictObject({
          by: z.enum(['server_side', 'client']).default('server_side'),
          gateway: z.boolean().default(false).describe('The gateway fronts this server.'),
          metered: z
            .boolean()
            .default(false)
            .describe('This upstream of the gateway meters itself, and counts.'),
        }),
      )
      .superRefine(distinctNames)
      .default({})
      .describe('Exceptions, by server name: by (server_side, client), gateway, metered.'),
  }),
  gateway: GatewaySchema.prefault({}),
  capture: section({
    max_bytes: z
      .int()
      .min(0)
      .max(512 * 1024)
      .default(64 * 1024)
      .describe('Captured text a side; 0 leaves content out.'),
  }),
  retention: section({
    content_days: z.int().min(1).max(3650).default(30).describe('Days that arguments and results are kept.'),
    calls_months: z
      .int()
      .min(1)
      .max(240)
      .default(13)
      .describe('Months that calls are kept; sealed hours stay.'),
    accept_past_days: z.int().min(1).max(3650).default(90).describe('Older events are dead letters.'),
  }),
  telemetry: section({
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least level that is logged.'),
    otlp_endpoint: z.url().optional().describe('OTLP/HTTP endpoint for our own traces and metrics.'),
  }),
});
export type Config = z.infer<typeof ConfigSchema>;
