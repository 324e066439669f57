import type { CallEvent } from '../schemas/call-event.ts';
import { readCallEvent } from '../schemas/read-call-event.ts';
import type { RawRecord } from '../schemas/record.ts';
import { FOREIGN_WINDOW_MS } from './dedupe/index.ts';
import type { Dead } from './stage.ts';

/** Bounds on an event's own time, relative to when the log took it. */
export interface AdmitOptions {
  /** A clock may be ahead of the log's by this much. */
  readonly maxAheadMs: number;
  /** Older events are dead letters: their month may have been dropped. */
  readonly maxAgeMs: number;
}

/** Clocks that are off by more than this are wrong, not merely unsynchronised (Kerberos' default tolerance, RFC 4120 §1.6). */
export const MAX_AHEAD_MS = 5 * 60_000;

/** The event in a record that is known to be new, or why it goes to the dead letters. */
export function admit(
  record: RawRecord,
  appendedAtMs: number,
  options: AdmitOptions,
): CallEvent | { dead: Dead } {
  const text =
    typeof record.value === 'string'
      ? record.value
      : Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength).toString('utf8');
  const event = readCallEvent(text);
  if ('problem' in event) return { dead: event.problem };
  const at = Date.parse(event.kind === 'call' ? event.started_at : event.ts);
  if (at > appendedAtMs + options.maxAheadMs) {
    return {
      dead: {
        code: 'TM_EVENT_FUTURE',
        message: `the call began ${Math.round((at - appendedAtMs) / 1000)} s after the log took its event`,
        hint: "Set the collector's clock (NTP), then replay the dead letter.",
      },
    };
  }
  // The ids of foreign events are remembered for so long only: an older one may have counted already.
  const isForeign = record.at === undefined && record.replayOf === undefined;
  if (isForeign && at < appendedAtMs - FOREIGN_WINDOW_MS) {
    return {
      dead: {
        code: 'TM_EVENT_FOREIGN_LATE',
        message: `the call began ${Math.round((appendedAtMs - at) / 3_600_000)} hours before the log took its event`,
        hint: 'Events without numbers are told from repeats for 24 hours. Replay the dead letter where it is not a repeat.',
      },
    };
  }
  if (at < appendedAtMs - options.maxAgeMs) {
    return {
      dead: {
        code: 'TM_EVENT_PAST',
        message: `the call began ${Math.round((appendedAtMs - at) / 86_400_000)} days before the log took its event`,
        hint: 'Raise retention.accept_past_days, then replay the dead letter.',
      },
    };
  }
  return event;
}
