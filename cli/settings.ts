import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { messageOf, ToolmeterError } from '../core/errors.ts';
import { type Config, ConfigSchema, type SecretRef } from '../schemas/config.ts';
import { parseYamlFile, type YamlProblem } from '../schemas/yaml.ts';

type Env = Record<string, string | undefined>;

export interface Settings {
  readonly config: Config;
  /** The file that was read, or null where there is none: everything has a default. */
  readonly file: string | null;
}

/** Which of log and store are the embedded ones, under the home folder. */
export const embedded = ({ log, store }: Config): { readonly log: boolean; readonly store: boolean } => ({
  log: log.brokers.length === 0,
  store: store.url === undefined,
});

/** What spans on the log call it. */
export const messagingSystem = (config: Config): 'kafka' | 'toolmeter' =>
  embedded(config).log ? 'toolmeter' : 'kafka';

/** A configuration's problems, each with its line where it came from a file. */
export interface SettingsProblem {
  readonly where: string;
  readonly message: string;
}

/** Names that other tools use for the same thing. */
const ALIASES: Record<string, string> = { KAFKA_BROKERS: 'log.brokers', CLICKHOUSE_URL: 'store.url' };

/** The configuration file: `--config`, `TOOLMETER_CONFIG`, or `toolmeter.yaml` in the working folder, if it is there. */
export function configFile(option: string | undefined, env: Env = process.env): string | null {
  const named = option ?? env.TOOLMETER_CONFIG;
  if (named !== undefined) return resolve(named);
  return existsSync('toolmeter.yaml') ? resolve('toolmeter.yaml') : null;
}

/** Reads file and environment. @throws ToolmeterError TM_CONFIG with every problem, its line and reason. */
export function loadSettings(file: string | null, env: Env = process.env): Settings {
  const result = checkSettings(file, env);
  if ('problems' in result) {
    const lines = result.problems.map(({ where, message }) => `${where}: ${message}`);
    throw new ToolmeterError(
      'TM_CONFIG',
      `The configuration is not valid. ${lines.join('; ')}.`,
      'See docs/configuration.md.',
    );
  }
  return result;
}

/** `loadSettings` for `config check`: all problems at once. */
export function checkSettings(
  file: string | null,
  env: Env = process.env,
): Settings | { problems: SettingsProblem[] } {
  let fromFile: Record<string, unknown> = {};
  if (file !== null) {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(file);
    } catch (error) {
      return { problems: [{ where: file, message: messageOf(error) }] };
    }
    const parsed = parseYamlFile(bytes, ConfigSchema, file);
    if (!parsed.ok) return { problems: parsed.problems.map((problem) => describe(file, problem)) };
    fromFile = besideFile(parsed.value, dirname(file)) as unknown as Record<string, unknown>;
  }
  const { values, problems } = fromEnvironment(env);
  if (problems.length > 0) return { problems };
  const merged = merge(fromFile, values);
  const checked = ConfigSchema.safeParse(merged);
  if (!checked.success) {
    return {
      problems: checked.error.issues.map((issue) => ({
        where: `environment, ${environmentName(issue.path.map(String))}`,
        message: issue.message,
      })),
    };
  }
  return { config: checked.data, file };
}

/** Files that a configuration names are looked for from its own folder, wherever the program was started. */
function besideFile(config: Config, folder: string): Config {
  const { directory, prices, store, log, gateway } = config;
  const beside = (path: string): string => resolve(folder, path);
  const secret = (ref: SecretRef): SecretRef => ('file' in ref ? { file: beside(ref.file) } : ref);
  return {
    ...config,
    ...(directory !== undefined && { directory: beside(directory) }),
    prices: prices.map(beside),
    gateway: {
      ...gateway,
      ...(gateway.keys_file !== undefined && { keys_file: beside(gateway.keys_file) }),
      servers: mapValues(gateway.servers, (server) => ({
        ...server,
        headers: mapValues(server.headers, secret),
      })),
    },
    store: { ...store, ...(store.password !== undefined && { password: secret(store.password) }) },
    log: {
      ...log,
      ...(log.ssl_ca_file !== undefined && { ssl_ca_file: beside(log.ssl_ca_file) }),
      ...(log.ssl_cert_file !== undefined && { ssl_cert_file: beside(log.ssl_cert_file) }),
      ...(log.ssl_key_file !== undefined && { ssl_key_file: beside(log.ssl_key_file) }),
      ...(log.sasl !== undefined && { sasl: { ...log.sasl, password: secret(log.sasl.password) } }),
    },
  };
}

const mapValues = <T>(record: Readonly<Record<string, T>>, map: (value: T) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));

function describe(file: string, problem: YamlProblem): SettingsProblem {
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return { where: `${file}:${problem.line}:${problem.column}`, message: `${path}${problem.message}` };
}

export function environmentName(path: readonly string[]): string {
  return `TOOLMETER_${path.join('_').toUpperCase()}`;
}

interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  type?: string;
  anyOf?: JsonSchema[];
}

/**
 * Every key that can be set by one variable: path and what its text becomes. What a section holds that is itself an
 * object (SASL, a secret's reference) can be set whole, as JSON, and key by key, which comes after it and wins.
 */
function leaves(schema: JsonSchema, path: string[] = []): { path: string[]; type: string }[] {
  const properties = [schema, ...(schema.anyOf ?? [])].flatMap((one) => Object.entries(one.properties ?? {}));
  const below = properties.flatMap(([key, child]) => leaves(child, [...path, key]));
  const isSection = below.length > 0 && path.length < 2;
  return isSection ? below : [{ path, type: schema.type ?? 'object' }, ...below];
}

const LEAVES = leaves(z.toJSONSchema(ConfigSchema, { io: 'input' }) as JsonSchema);

const EXPECTED: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'JSON',
};

function fromEnvironment(env: Env): { values: Record<string, unknown>; problems: SettingsProblem[] } {
  const values: Record<string, unknown> = {};
  const problems: SettingsProblem[] = [];
  const aliases = Object.fromEntries(Object.entries(ALIASES).map(([name, path]) => [path, name]));
  for (const { path, type } of LEAVES) {
    const name = environmentName(path);
    const alias = aliases[path.join('.')];
    const text = env[name] ?? (alias === undefined ? undefined : env[alias]);
    if (text === undefined || text === '') continue;
    // Kubernetes sets `<NAME>_PORT` for each service: one called toolmeter-api is not our port.
    if (type === 'integer' && text.startsWith('tcp://')) continue;
    const value = coerce(text, type);
    if (value === undefined)
      problems.push({
        where: `environment, ${name}`,
        message: `expected ${EXPECTED[type] ?? type}`,
      });
    else set(values, path, value);
  }
  return { values, problems };
}

function coerce(text: string, type: string): unknown {
  if (type === 'string') return text;
  if (type === 'array')
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  if (type === 'integer' || type === 'number')
    return Number.isFinite(Number(text)) ? Number(text) : undefined;
  if (type === 'boolean') {
    if (['1', 'true'].includes(text)) return true;
    return ['0', 'false'].includes(text) ? false : undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function set(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = target;
  for (const key of path.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Record<string, unknown>;
  }
  at[path.at(-1) as string] = value;
}

function merge(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = out[key];
    out[key] = isPlain(value) && isPlain(below) ? merge(below, value) : value;
  }
  return out;
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The text that a secret's reference names. @throws ToolmeterError TM_SECRET */
export function readSecret(ref: SecretRef, env: Env = process.env): string {
  if ('env' in ref) {
    const value = env[ref.env];
    if (value === undefined)
      throw new ToolmeterError(
        'TM_SECRET',
        `The environment variable ${ref.env} is not set.`,
        'A secret in the configuration names it.',
      );
    return value;
  }
  try {
    return readFileSync(ref.file, 'utf8').trim();
  } catch (error) {
    throw new ToolmeterError(
      'TM_SECRET',
      `The secret's file can't be read: ${messageOf(error)}.`,
      'Check its path and its owner.',
    );
  }
}
