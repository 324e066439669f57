import { type DestinationStream, destination, pino } from 'pino';
import { ToolmeterError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { VERSION } from '../core/version.ts';

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Which part writes: `api`, `processor`, `store`, … */
  readonly name?: string;
  /** Where lines go; default: standard error, since standard output belongs to commands' answers. */
  readonly to?: DestinationStream;
}

/**
 * Fields that may hold payloads or secrets, wherever a caller puts them: at the top, or one level down. The rule is
 * that nobody logs them; this is for the day that somebody does.
 */
const NEVER_LOGGED = [
  'authorization',
  'cookie',
  'token',
  'secret',
  'password',
  'key',
  'body',
  'value',
  'text',
  'arguments',
  'result',
  'arguments_text',
  'result_text',
  'event',
  'events',
  'record',
  'records',
  'headers',
] as const;

/** A logger that writes one JSON object a line. Levels are names, times ISO 8601 in UTC. */
export function makeLogger(options: LoggerOptions): Log {
  return pino(
    {
      level: options.level,
      base: { pid: process.pid, version: VERSION, ...(options.name !== undefined && { part: options.name }) },
      messageKey: 'message',
      errorKey: 'error',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError, err: describeError },
      redact: {
        paths: NEVER_LOGGED.flatMap((name) => [name, `*.${name}`]),
        censor: '[redacted]',
      },
    },
    options.to ?? destination({ fd: 2, sync: true }),
  );
}

/**
 * What a log line holds of an error. Other libraries hang requests, rows and statements on theirs, so only these four
 * are taken.
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...(error instanceof ToolmeterError && { code: error.code, hint: error.hint }),
  };
}
