import { messageOf, ToolmeterError } from '../core/errors.ts';

/**
 * What went wrong in the store:
 * - `TM_STORE_UNAVAILABLE`: it does not answer, or answers that it is overloaded. Worth trying again.
 * - `TM_STORE_REFUSED`: it can't read a row that it was given. Trying again changes nothing.
 * - `TM_STORE_SCHEMA`: a row has a column that the table lacks: rows are newer than the migrations.
 * - `TM_STORE_IN_USE`: another process has the embedded store's folder.
 * - `TM_STORE_QUERY`: any other refusal of a statement.
 */
export type StoreErrorCode =
  | 'TM_STORE_UNAVAILABLE'
  | 'TM_STORE_REFUSED'
  | 'TM_STORE_SCHEMA'
  | 'TM_STORE_IN_USE'
  | 'TM_STORE_QUERY';

export class StoreError extends ToolmeterError {
  declare readonly code: StoreErrorCode;
  /** ClickHouse's own error number, 0 where it did not answer. */
  readonly clickhouseCode: number;
  constructor(
    code: StoreErrorCode,
    message: string,
    hint: string,
    clickhouseCode = 0,
    options?: ErrorOptions,
  ) {
    super(code, message, hint, options);
    this.clickhouseCode = clickhouseCode;
  }
}

/**
 * ClickHouse's errors that say "this value can't be read as its column's type" (src/Common/ErrorCodes.cpp); a test
 * holds numbers and names together.
 */
export const UNREADABLE: Readonly<Record<number, string>> = {
  6: 'CANNOT_PARSE_TEXT',
  25: 'CANNOT_PARSE_ESCAPE_SEQUENCE',
  26: 'CANNOT_PARSE_QUOTED_STRING',
  27: 'CANNOT_PARSE_INPUT_ASSERTION_FAILED',
  33: 'CANNOT_READ_ALL_DATA',
  38: 'CANNOT_PARSE_DATE',
  41: 'CANNOT_PARSE_DATETIME',
  53: 'TYPE_MISMATCH',
  69: 'ARGUMENT_OUT_OF_BOUND',
  70: 'CANNOT_CONVERT_TYPE',
  72: 'CANNOT_PARSE_NUMBER',
  117: 'INCORRECT_DATA',
  130: 'CANNOT_READ_ARRAY_FROM_TEXT',
  131: 'TOO_LARGE_STRING_SIZE',
  306: 'TOO_DEEP_RECURSION',
  321: 'VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE',
  349: 'CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN',
  376: 'CANNOT_PARSE_UUID',
  407: 'DECIMAL_OVERFLOW',
  467: 'CANNOT_PARSE_BOOL',
};

/** Errors that pass: overload, shutting down, a limit that depends on what else runs. */
export const TRANSIENT: Readonly<Record<number, string>> = {
  159: 'TIMEOUT_EXCEEDED',
  160: 'TOO_SLOW',
  201: 'QUOTA_EXCEEDED',
  202: 'TOO_MANY_SIMULTANEOUS_QUERIES',
  209: 'SOCKET_TIMEOUT',
  210: 'NETWORK_ERROR',
  236: 'ABORTED',
  241: 'MEMORY_LIMIT_EXCEEDED',
  242: 'TABLE_IS_READ_ONLY',
  243: 'NOT_ENOUGH_SPACE',
  252: 'TOO_MANY_PARTS',
  319: 'UNKNOWN_STATUS_OF_INSERT',
  394: 'QUERY_WAS_CANCELLED',
  473: 'DEADLOCK_AVOIDED',
};

/** What was being done: an insert's errors quote the row, so nothing of their text is kept. */
export type Doing = 'insert' | 'statement';

/** Any error of either client as a `StoreError`. */
export function storeError(error: unknown, doing: Doing): StoreError {
  if (error instanceof StoreError) return error;
  const text = messageOf(error);
  const code = clickhouseCodeOf(error, text);
  const name = UNREADABLE[code] ?? TRANSIENT[code] ?? /\(([A-Z][A-Z0-9_]{3,})\)/.exec(text)?.[1] ?? '';
  const cause = doing === 'insert' ? undefined : { cause: error };
  if (code === 0) {
    return new StoreError(
      'TM_STORE_UNAVAILABLE',
      `The store does not answer${doing === 'insert' ? '' : `: ${text}`}.`,
      'Check that ClickHouse runs and that store.url, user and password are right.',
      0,
      cause,
    );
  }
  const label = `ClickHouse error ${code}${name === '' ? '' : ` ${name}`}`;
  if (code in TRANSIENT) {
    return new StoreError(
      'TM_STORE_UNAVAILABLE',
      `The store can't do it now: ${label}.`,
      "See ClickHouse's log; the work is tried again.",
      code,
      cause,
    );
  }
  if (doing === 'insert' && code === 117 && /unknown field/i.test(text)) {
    return new StoreError(
      'TM_STORE_SCHEMA',
      'A row has a column that its table lacks.',
      'Run `toolmeter migrate` with the newest version.',
      code,
    );
  }
  if (doing === 'insert' && code in UNREADABLE) {
    return new StoreError('TM_STORE_REFUSED', `The store can't read a row: ${label}.`, '', code);
  }
  return new StoreError(
    'TM_STORE_QUERY',
    `The store refused a statement: ${label}${doing === 'insert' ? '' : `: ${text.slice(0, 1024)}`}.`,
    code === 497 || code === 516
      ? 'Grant the user SELECT, INSERT, ALTER, CREATE and DROP on the database.'
      : '',
    code,
    cause,
  );
}

function clickhouseCodeOf(error: unknown, text: string): number {
  const raw = error as { clickhouseCode?: unknown; type?: unknown; code?: unknown };
  if (typeof raw.clickhouseCode === 'number') return raw.clickhouseCode;
  if (typeof raw.code === 'string' && /^\d+$/.test(raw.code)) return Number(raw.code);
  return Number(/\bCode: (\d+)\. DB::Exception/.exec(text)?.[1] ?? 0);
}
