import { ToolmeterError } from '../core/errors.ts';

/** Content type of every error (RFC 9457). */
export const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

/** What is wrong with one parameter, or one posted event. */
export interface ProblemDetail {
  readonly parameter: string;
  readonly message: string;
}

/** The body of every answer that is not a success. No payload, no stack, no statement. */
export interface Problem {
  /** `urn:toolmeter:problem:` and the code. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint: string;
  readonly errors?: readonly ProblemDetail[];
}

/** Every code that the API itself gives, with its status and title: the one place. */
const CODES = {
  TM_REQUEST_MALFORMED: [400, 'The request is not well formed'],
  TM_PARAMETER_INVALID: [400, 'A parameter is not valid'],
  TM_CURSOR_INVALID: [400, 'The cursor is not valid'],
  TM_UNAUTHENTICATED: [401, 'A credential is needed'],
  TM_FORBIDDEN: [403, 'This credential may not do that'],
  TM_ORIGIN_FORBIDDEN: [403, 'Web pages of this origin may not call the API'],
  TM_NOT_FOUND: [404, 'There is no such thing'],
  TM_METHOD_NOT_ALLOWED: [405, 'This path does not have that method'],
  TM_NOT_ACCEPTABLE: [406, 'There is no answer in an accepted format'],
  TM_REQUEST_TIMEOUT: [408, 'The request took too long to arrive'],
  TM_BODY_TOO_LARGE: [413, 'The body is too large'],
  TM_URI_TOO_LONG: [414, 'The address is too long'],
  TM_MEDIA_TYPE: [415, 'The body has a format that is not taken'],
  TM_HOST_UNKNOWN: [421, 'This server does not answer for that host name'],
  TM_EVENTS_REJECTED: [422, 'No event was accepted'],
  TM_HEADERS_TOO_LARGE: [431, 'The headers are too large'],
  TM_INTERNAL: [500, 'Something failed here'],
  TM_STORE_UNAVAILABLE: [503, 'The store is not ready'],
  TM_LOG_UNAVAILABLE: [503, 'The event log is not ready'],
  TM_BUSY: [503, 'Too much is in hand'],
  TM_QUERY_TIMEOUT: [504, 'The query took too long'],
} as const satisfies Record<string, readonly [number, string]>;
export type ApiCode = keyof typeof CODES;

/** Codes of other folders, by those of the API that they show as. Any other is `TM_INTERNAL`. */
const SHOWN_AS: Readonly<Record<string, ApiCode>> = {
  TM_STORE_SCHEMA: 'TM_STORE_UNAVAILABLE',
  TM_STORE_IN_USE: 'TM_STORE_UNAVAILABLE',
  TM_TOPIC_UNKNOWN: 'TM_LOG_UNAVAILABLE',
  TM_LOG_CLOSED: 'TM_LOG_UNAVAILABLE',
  TM_SPOOL_FULL: 'TM_LOG_UNAVAILABLE',
  TM_SPOOL_DISK: 'TM_LOG_UNAVAILABLE',
  TM_QUERY_CURSOR: 'TM_CURSOR_INVALID',
  TM_QUERY_TIME: 'TM_PARAMETER_INVALID',
};

/** ClickHouse's TIMEOUT_EXCEEDED, TOO_SLOW and QUERY_WAS_CANCELLED: the query, not the store, is the reason. */
const SLOW_QUERY = new Set([159, 160, 394]);

/** Seconds after which a client may try again, by status. */
const RETRY_AFTER_S: Readonly<Record<number, number>> = { 503: 5 };

/** An error that is an answer: code, what and where, what to do. */
export class ApiError extends ToolmeterError {
  declare readonly code: ApiCode;
  readonly errors: readonly ProblemDetail[] | undefined;
  constructor(code: ApiCode, message: string, hint = '', errors?: readonly ProblemDetail[]) {
    super(code, message, hint);
    this.errors = errors;
  }
}

export function problem(
  code: ApiCode,
  detail: string,
  hint: string,
  errors?: readonly ProblemDetail[],
): Problem {
  const [status, title] = CODES[code];
  return {
    type: `urn:toolmeter:problem:${code}`,
    title,
    status,
    detail,
    code,
    hint,
    ...(errors !== undefined && { errors }),
  };
}

/** Codes by status, for OpenAPI. */
export const statusOf = (code: ApiCode): number => CODES[code][0];
export const retryAfterOf = (status: number): number | undefined => RETRY_AFTER_S[status];

/** What a client is told of whatever was thrown. Words of our own errors pass; of other errors nothing does. */
export function problemOf(error: unknown, limits: { maxBodyBytes: number }): Problem {
  if (error instanceof ApiError) return problem(error.code, error.message, error.hint, error.errors);
  const raw = error as { code?: unknown; clickhouseCode?: unknown; statusCode?: unknown };
  if (typeof raw.clickhouseCode === 'number' && SLOW_QUERY.has(raw.clickhouseCode))
    return problem('TM_QUERY_TIMEOUT', 'The store stopped the query at its time limit.', NARROW);
  if (error instanceof ToolmeterError) {
    const code = SHOWN_AS[error.code] ?? error.code;
    if (code === 'TM_STORE_UNAVAILABLE' || code === 'TM_LOG_UNAVAILABLE')
      return problem(
        code,
        'It does not answer at the moment.',
        'Try again; GET /readyz says what is not ready.',
      );
    if (code in CODES && code !== 'TM_INTERNAL') return problem(code as ApiCode, error.message, error.hint);
    return internal();
  }
  return fastifyProblem(String(raw.code ?? ''), limits) ?? internal();
}

export const NARROW = 'Ask for a shorter range, fewer groups, or a filter.';

const internal = (): Problem =>
  problem('TM_INTERNAL', 'The reason is in the log of this server, under the request id.', '');

function fastifyProblem(code: string, limits: { maxBodyBytes: number }): Problem | null {
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return problem(
        'TM_BODY_TOO_LARGE',
        `A body may have ${limits.maxBodyBytes} bytes.`,
        'Send fewer events a request, or raise api.max_body_bytes.',
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return problem('TM_MEDIA_TYPE', 'The content type is missing or not known.', 'See /openapi.json.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return problem('TM_REQUEST_MALFORMED', 'The body is not as long as content-length says.', '');
    case 'FST_ERR_BAD_URL':
      return problem('TM_REQUEST_MALFORMED', 'The path is not valid percent-encoding.', '');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return problem('TM_URI_TOO_LONG', 'A part of the path is too long.', '');
    default:
      return null;
  }
}
