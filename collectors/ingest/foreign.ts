import { createHash } from 'node:crypto';
import type { CallEvent } from '../../schemas/call-event.ts';
import { checkCallEvent, type ReadProblem } from '../../schemas/read-call-event.ts';
import type { RawRecord } from '../../schemas/record.ts';
import type { WireCredential } from '../spool/wire.ts';

/** What names an event at its source: a CloudEvent's source and id, or the event's own id. */
export interface SourceId {
  readonly source: string | null;
  readonly id: string;
}

/** Why an event is refused. `message` names the place and never quotes the value. */
export type Refusal = Omit<ReadProblem, 'code'> & {
  readonly code: ReadProblem['code'] | 'TM_CLOUDEVENT' | 'TM_EVENT_UNTRUSTED';
};

/**
 * The id by which a retry is known: 16 bytes of SHA-256, as hex. It holds the collector's id, so that one credential
 * can't make another's events count as seen.
 */
export function foreignIdOf(collector: string, { source, id }: SourceId): string {
  return createHash('sha256')
    .update(JSON.stringify([collector, source, id]))
    .digest('hex')
    .slice(0, 32);
}

/**
 * A parsed event from outside as a record without coordinates. It is checked here, while its sender listens; what is
 * refused is not in the log.
 */
export function foreignRecord(
  parsed: unknown,
  credential: WireCredential,
  named?: SourceId & { readonly traceparent?: string },
): RawRecord | { problem: Refusal } {
  const event = checkCallEvent(parsed);
  if ('problem' in event) return event;
  if (event.kind === 'adjustment' && !credential.trusted)
    return {
      problem: {
        code: 'TM_EVENT_UNTRUSTED',
        message: 'kind: this credential may not correct costs',
        hint: 'Enrol the collector as trusted.',
      },
    };
  const traceparent = (event.kind === 'call' ? event.trace?.traceparent : undefined) ?? named?.traceparent;
  return {
    kind: 'event',
    foreignId: foreignIdOf(credential.collector, named ?? { source: null, id: event.event_id.toLowerCase() }),
    collector: credential.collector,
    trusted: credential.trusted,
    ...(traceparent !== undefined && { traceparent }),
    value: textOf(event),
  };
}

const UNCLEAN = /\\u(?:0000|[dD][89a-fA-F])/;

/** JSON text whose strings have neither NUL nor lone surrogates: U+FFFD stands for them, as in every collector. */
function textOf(event: CallEvent): string {
  const text = JSON.stringify(event);
  return UNCLEAN.test(text) ? JSON.stringify(clean(event)) : text;
}

/** Recursion is bounded: what has passed the schema is at most five levels deep. */
function clean(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\u0000', '\uFFFD');
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [clean(key), clean(item)]));
}
