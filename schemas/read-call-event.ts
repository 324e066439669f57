import { CALL_EVENT_VERSION, type CallEvent, CallEventSchema } from './call-event.ts';
import { validateAdjustment, validateObservedCall } from './generated/call-event.validator.ts';

/** Why bytes are not an event. `message` names the place by its path and never quotes the value. */
export interface ReadProblem {
  readonly code: 'TM_EVENT_NOT_JSON' | 'TM_EVENT_VERSION' | 'TM_EVENT_SCHEMA';
  readonly message: string;
  readonly hint: string;
}

/**
 * One entry a version that is no longer written: brings an event of that version to the next one. None yet; the
 * reader walks the chain, so that an event of any age is read as if it were written today.
 */
const UPGRADES: Readonly<Record<number, (event: Record<string, unknown>) => Record<string, unknown>>> = {};

/** Parses and validates the JSON text of an event of any `schema_version` up to ours. */
export function readCallEvent(text: string): CallEvent | { problem: ReadProblem } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return problem('TM_EVENT_NOT_JSON', 'the value is not JSON text', 'Send one JSON object in UTF-8.');
  }
  return checkCallEvent(parsed);
}

/** `readCallEvent` for a value that is parsed already. */
export function checkCallEvent(value: unknown): CallEvent | { problem: ReadProblem } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return problem('TM_EVENT_SCHEMA', 'the value is not a JSON object', 'Send one JSON object an event.');
  }
  let event = value as Record<string, unknown>;
  const version = event.schema_version;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) {
    return problem('TM_EVENT_SCHEMA', 'schema_version: expected a whole number from 1', schemaHint);
  }
  if (version > CALL_EVENT_VERSION) {
    return problem(
      'TM_EVENT_VERSION',
      `schema_version: ${version} is newer than ${CALL_EVENT_VERSION}, the newest known here`,
      'Update the processors, then replay the dead letter.',
    );
  }
  for (let at = version; at < CALL_EVENT_VERSION; at++) event = UPGRADES[at]?.(event) ?? event;
  if (isCallEvent(event)) return event;
  const result = CallEventSchema.safeParse(event);
  const issue = result.success ? undefined : result.error.issues[0];
  return problem(
    'TM_EVENT_SCHEMA',
    `${issue?.path.join('.') || 'event'}: ${issue?.message ?? 'does not fit the schema'}`,
    schemaHint,
  );
}

const schemaHint = 'See schemas/generated/call-event.json for the shape.';

function isCallEvent(event: unknown): event is CallEvent {
  const kind = (event as { kind?: unknown }).kind;
  return kind === 'call' ? validateObservedCall(event) : kind === 'adjustment' && validateAdjustment(event);
}

function problem(code: ReadProblem['code'], message: string, hint: string): { problem: ReadProblem } {
  return { problem: { code, message: message.slice(0, 512), hint } };
}
