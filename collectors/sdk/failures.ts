import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';

let count = 0;
let warned = false;

/** Failures of ours that were kept from the host since the process began. */
export function failureCount(): number {
  return count;
}

/**
 * Takes a failure of ours, which the host must not see: counts it and logs it; without a logger the first one is a
 * process warning, so that it is not silent either.
 */
export function failed(what: string, error: unknown, log: Log | undefined): void {
  count++;
  const { hint, code = 'TM_METER' } = error instanceof ToolmeterError ? error : {};
  const message = `Toolmeter could not ${what}: ${messageOf(error).replace(/\.$/, '')}.${hint ? ` ${hint}` : ''}`;
  try {
    if (log !== undefined) log.warn({ code, failures: count }, message);
    else if (!warned) {
      warned = true;
      process.emitWarning(`${message} The host goes on; further failures are counted only.`, { code });
    }
  } catch {
    // A logger that throws has nowhere to say so; the failure stays counted.
  }
}
