import type { IncomingHttpHeaders } from 'node:http';
import { uuidv7 } from '../../core/ids.ts';
import { ClickHouseException } from './exception.ts';
import { NOT_SETTINGS } from './settings.ts';

/** What a request says before its body. */
export interface Asked {
  /** Text of the statement, or of its beginning: the body follows it. */
  readonly query: string;
  readonly queryId: string;
  readonly database: string;
  readonly format: string;
  readonly user: string;
  readonly key: string;
  readonly settings: readonly (readonly [string, string])[];
  readonly params: ReadonlyMap<string, string>;
  /** ClickHouse's own blocks, out and in. */
  readonly compress: boolean;
  readonly decompress: boolean;
  /** The answer may have a content coding. */
  readonly httpCompression: boolean;
  /** The client reads Native as a revision of the TCP protocol has it. */
  readonly speaksRevision: boolean;
}

const MAX_PARAMS = 1000;

/** @throws ClickHouseException BAD_ARGUMENTS, AUTHENTICATION_FAILED */
export function readRequest(url: URL, headers: IncomingHttpHeaders, defaultDatabase: string): Asked {
  const search = url.searchParams;
  if (search.size > MAX_PARAMS) throw new ClickHouseException('BAD_ARGUMENTS', 'Too many parameters');
  const header = (name: string): string | undefined => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const settings: [string, string][] = [];
  const params = new Map<string, string>();
  for (const [name, value] of search) {
    if (name.startsWith('param_')) params.set(paramName(name.slice('param_'.length)), value);
    else if (!NOT_SETTINGS.has(name)) settings.push([name, value]);
  }
  const database = header('x-clickhouse-database') ?? search.get('database') ?? '';
  if (database.length > 256 || database.includes('\0'))
    throw new ClickHouseException('BAD_ARGUMENTS', 'Not a database name');
  const format = header('x-clickhouse-format') ?? search.get('default_format') ?? 'TabSeparated';
  if (!/^[A-Z][A-Za-z0-9]{0,63}$/.test(format))
    throw new ClickHouseException('UNKNOWN_FORMAT', `Unknown format ${format.slice(0, 64)}`);
  const queryId = search.get('query_id') ?? header('x-clickhouse-query-id') ?? '';
  const isOn = (name: string): boolean => /^(1|true)$/i.test(search.get(name) ?? '');
  return {
    query: search.get('query') ?? '',
    queryId: /^[\x21-\x7e]{1,128}$/.test(queryId) ? queryId : uuidv7(),
    database: database === '' ? defaultDatabase : database,
    format,
    ...credentials(header, search),
    settings,
    params,
    compress: isOn('compress'),
    decompress: isOn('decompress'),
    httpCompression: isOn('enable_http_compression'),
    speaksRevision: Number(search.get('client_protocol_version') ?? 0) > 0,
  };
}

function paramName(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
    throw new ClickHouseException('BAD_ARGUMENTS', 'Not the name of a query parameter');
  return name;
}

/** Of ClickHouse's three ways the first that is there; two at once are refused, as it does. */
function credentials(
  header: (name: string) => string | undefined,
  search: URLSearchParams,
): { user: string; key: string } {
  const authorization = header('authorization');
  const named = header('x-clickhouse-user');
  const key = header('x-clickhouse-key');
  if (authorization !== undefined) {
    if (named !== undefined || key !== undefined || search.has('user') || search.has('password'))
      throw new ClickHouseException('AUTHENTICATION_FAILED', 'Credentials are given in two ways at once');
    const encoded = /^Basic ([A-Za-z0-9+/=]{0,2048})$/i.exec(authorization)?.[1];
    if (encoded === undefined)
      throw new ClickHouseException('AUTHENTICATION_FAILED', 'Only Basic authorization is known', 401);
    const [user = '', ...rest] = Buffer.from(encoded, 'base64').toString().split(':');
    return { user: user === '' ? 'default' : user, key: rest.join(':') };
  }
  if (named !== undefined || key !== undefined) return { user: named ?? 'default', key: key ?? '' };
  return { user: search.get('user') || 'default', key: search.get('password') ?? '' };
}
