/**
 * The one error type that a user may see. `code` is stable and documented, `message` says what and where,
 * `hint` says what to do. Messages and hints never hold payloads, secrets or personal data.
 */
export class ToolmeterError extends Error {
  readonly code: string;
  readonly hint: string;
  constructor(code: string, message: string, hint = '', options?: ErrorOptions) {
    super(message, options);
    this.name = 'ToolmeterError';
    this.code = code;
    this.hint = hint;
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
