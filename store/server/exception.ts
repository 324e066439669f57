import { messageOf } from '../../core/errors.ts';

/**
 * ClickHouse's own error numbers that this server raises itself (src/Common/ErrorCodes.cpp). What the engine says
 * travels as it came.
 */
export const CODE = {
  NOT_IMPLEMENTED: 48,
  SYNTAX_ERROR: 62,
  UNKNOWN_FORMAT: 73,
  CHECKSUM_DOESNT_MATCH: 40,
  CANNOT_DECOMPRESS: 271,
  UNKNOWN_SETTING: 115,
  INCORRECT_DATA: 117,
  READONLY: 164,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  ABORTED: 236,
  UNKNOWN_COMPRESSION_METHOD: 89,
  TOO_LARGE_SIZE: 131,
  INTO_OUTFILE_NOT_ALLOWED: 358,
  QUERY_WAS_CANCELLED: 394,
  TOO_MANY_ROWS_OR_BYTES: 396,
  SETTING_CONSTRAINT_VIOLATION: 452,
  BAD_ARGUMENTS: 36,
  ACCESS_DENIED: 497,
  AUTHENTICATION_FAILED: 516,
  UNKNOWN_EXCEPTION: 1002,
} as const;
export type CodeName = keyof typeof CODE;

/** Something that a client is told in ClickHouse's words: `Code: 62. DB::Exception: … (SYNTAX_ERROR)`. */
export class ClickHouseException extends Error {
  readonly code: number;
  readonly status: number;
  /** The whole text, as the body of an answer has it. */
  readonly body: string;
  constructor(name: CodeName, message: string, status?: number) {
    super(message);
    this.code = CODE[name];
    this.status = status ?? statusOf(this.code);
    this.body = `Code: ${this.code}. DB::Exception: ${message} (${name})`;
  }
}

/** What is answered for any failure: number, status, text. */
export interface Failure {
  readonly code: number;
  readonly status: number;
  readonly body: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof ClickHouseException) return error;
  const text = messageOf(error);
  const code = Number(/^Code: (\d{1,5})\. /.exec(text)?.[1] ?? CODE.UNKNOWN_EXCEPTION);
  const body = /^Code: \d/.test(text)
    ? text.trimEnd()
    : `Code: ${code}. DB::Exception: ${text} (UNKNOWN_EXCEPTION)`;
  return { code, status: statusOf(code), body };
}

/**
 * The HTTP status of an error number, as ClickHouse's own server answers it (exceptionCodeToHTTPStatus in
 * src/Server/HTTP); two more than there: a refused write is 403 and a full queue 503, so that a client can tell.
 */
const STATUS: Readonly<Record<number, number>> = {
  ...group(
    400,
    [6, 26, 27, 33, 36, 38, 41, 43, 44, 53, 62, 69, 70, 72, 117, 130, 131, 307, 321, 386, 427, 457],
  ),
  ...group(403, [164, 192, 193, 452, 497, 516]),
  ...group(404, [46, 47, 50, 60, 63, 73, 81, 82, 115, 56]),
  ...group(408, [159]),
  ...group(501, [48]),
  ...group(503, [202, 209, 236, 439]),
};

function group(status: number, codes: readonly number[]): Record<number, number> {
  return Object.fromEntries(codes.map((code) => [code, status]));
}

export const statusOf = (code: number): number => STATUS[code] ?? 500;
