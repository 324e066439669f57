/**
 * The logger that every folder takes; pino satisfies it. Interceptors run inside other people's processes, so
 * there the default is `silentLog`. Fields never hold payloads, secrets or personal data.
 */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const nothing = (): void => {};
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
