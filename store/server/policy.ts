import { ClickHouseException } from './exception.ts';
import type { Statement } from './statement.ts';

/** Statements that a read-only server runs: all of them only read. */
const READING = new Set(['select', 'with', 'from', 'show', 'describe', 'desc', 'explain', 'exists']);

const SHOWN = new Set([
  'tables',
  'full',
  'databases',
  'columns',
  'fields',
  'create',
  'functions',
  'index',
  'indexes',
  'indices',
  'keys',
  'table',
  'database',
]);

/**
 * Tables of `system` that a read-only client may ask: what there is and what the engine can. Not the others: they show
 * other people's statements, users, settings, paths and credentials.
 */
const OPEN_SYSTEM_TABLES = new Set([
  'one',
  'numbers',
  'numbers_mt',
  'zeros',
  'tables',
  'columns',
  'databases',
  'functions',
  'table_functions',
  'table_engines',
  'data_type_families',
  'formats',
  'settings',
  'time_zones',
  'collations',
  'keywords',
  'build_options',
  'contributors',
  'parts',
  'parts_columns',
  'data_skipping_indices',
  'projections',
  'aggregate_function_combinators',
]);

/** What even the read-write server does not run over the wire: they are the process's own affairs, or other people's. */
const NEVER = new Set(['set', 'use', 'kill', 'backup', 'restore', 'attach', 'grant', 'revoke', 'execute']);

/** Table functions that read nothing outside the engine. Every other one that the engine has is refused. */
export const HARMLESS_TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  'null',
  'numbers',
  'numbers_mt',
  'zeros',
  'zeros_mt',
  'generaterandom',
  'generateseries',
  'generate_series',
  'primes',
  'values',
  'sqlstandardvalues',
  'view',
  'format',
  'viewexplain',
]);

/** Ordinary functions that read files, ask services elsewhere, or show the server's insides. */
const HARMFUL_FUNCTIONS = [
  'file',
  'catboost',
  'catboostevaluate',
  'aiclassify',
  'aigenerate',
  'aiembed',
  'aiextract',
  'aitranslate',
  'showcertificate',
  'getserversetting',
  'addresstoline',
  'addresstosymbol',
];

/** Engines and dictionary sources that reach outside, or name the server's disks: refused wherever they are called. */
const HARMFUL_ENGINES = [
  'mysql',
  'postgresql',
  'materializedpostgresql',
  'sqlite',
  'url',
  'file',
  's3',
  's3queue',
  'azurequeue',
  'hdfs',
  'kafka',
  'rabbitmq',
  'nats',
  'distributed',
  'executablepool',
  'filelog',
  'filesystem',
  'http',
  'clickhouse',
  'cassandra',
  'library',
  'executable_pool',
  'disk',
];

/**
 * What a statement must not call: names in lower case.
 * @param tableFunctions all that the engine knows
 */
export function forbiddenCalls(tableFunctions: Iterable<string>): ReadonlySet<string> {
  const outside = [...tableFunctions].map((name) => name.toLowerCase());
  return new Set([
    ...outside.filter((name) => !HARMLESS_TABLE_FUNCTIONS.has(name)),
    ...HARMFUL_FUNCTIONS,
    ...HARMFUL_ENGINES,
  ]);
}

/** @throws ClickHouseException READONLY, ACCESS_DENIED */
export function permit(
  statement: Statement,
  { readOnly, forbidden }: { readonly readOnly: boolean; readonly forbidden: ReadonlySet<string> },
): void {
  for (const name of statement.uses.calls) {
    if (forbidden.has(name))
      throw new ClickHouseException('ACCESS_DENIED', `Not enough privileges. ${name}() is not allowed here`);
  }
  for (const name of readOnly ? statement.uses.systemTables : []) {
    if (!OPEN_SYSTEM_TABLES.has(name))
      throw new ClickHouseException(
        'ACCESS_DENIED',
        `Not enough privileges. system.${name.slice(0, 128)} is not open here`,
      );
  }
  if (statement.kind === 'insert') {
    if (readOnly) throw new ClickHouseException('READONLY', 'Cannot execute query in readonly mode.');
    return;
  }
  const [first, second] = statement.words;
  if (NEVER.has(first))
    throw new ClickHouseException(
      'ACCESS_DENIED',
      `Not enough privileges. ${first.toUpperCase()} is not allowed here`,
    );
  if (readOnly && !READING.has(first))
    throw new ClickHouseException('READONLY', 'Cannot execute query in readonly mode.');
  if (readOnly && first === 'show' && !SHOWN.has(second))
    throw new ClickHouseException(
      'ACCESS_DENIED',
      'Not enough privileges. SHOW shows tables and what is in them',
    );
}
