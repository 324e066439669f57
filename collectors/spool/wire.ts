import { z } from 'zod';
import { CoordinatesSchema, type RawRecord, RECORD_KINDS } from '../../schemas/record.ts';

/**
 * What goes over `POST /v1/events`: NDJSON, one line a record. A line has no collector and no trust: the ingest
 * stamps both from the credential, so nobody can write in another's name.
 *
 * 202 means that every record which is not in `rejected` is on disk at the other end. A numbered record is only
 * rejected where the log cannot take it (`TM_RECORD_TOO_LARGE`) or where the line is no record; whether its event
 * makes sense is for the processors, which have dead letters.
 */
export const EVENTS_PATH = '/v1/events';
export const NDJSON = 'application/x-ndjson';
const MARK = ',"event":';

export const WireLineSchema = z.strictObject({
  kind: z.enum(RECORD_KINDS),
  at: CoordinatesSchema.omit({ collector: true, seq: true }).extend({
    seq: CoordinatesSchema.shape.seq.optional(),
  }),
  last: z.int().min(0).optional(),
  dropped: z.int().min(0).optional(),
  stripped: z.boolean().optional(),
  traceparent: z.string().max(128).optional(),
  event: z.unknown().optional(),
});

export const WireAnswerSchema = z.object({
  accepted: z.int().min(0),
  duplicates: z.int().min(0).optional(),
  rejected: z
    .array(
      z.object({
        /** Line of the request, from 0. */
        index: z.int().min(0),
        code: z.string(),
        message: z.string().default(''),
        hint: z.string().default(''),
      }),
    )
    .default([]),
});
export type WireAnswer = z.infer<typeof WireAnswerSchema>;

/** A record as a line, without its line break. The event's JSON text goes in as it is. */
export function encodeLine(record: RawRecord): string {
  const { kind, at, last, dropped, stripped, traceparent, value } = record;
  const head = JSON.stringify({
    kind,
    at: at && { instance: at.instance, epoch: at.epoch, lane: at.lane, seq: at.seq },
    last,
    dropped,
    stripped,
    traceparent,
  });
  if (kind !== 'event') return head;
  const text = typeof value === 'string' ? value : Buffer.from(value).toString('utf8');
  return `${head.slice(0, -1)},"event":${text}}`;
}

/** What the credential behind a request is worth. */
export interface WireCredential {
  readonly collector: string;
  readonly trusted: boolean;
}

/**
 * The record of a line. The value is the event's own text, cut from the line, so that what a processor reads (and
 * what a dead letter keeps) is what the collector wrote.
 */
export function decodeLine(line: string, credential: WireCredential): RawRecord | { problem: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return { problem: 'the line is not JSON' };
  }
  const result = WireLineSchema.safeParse(parsed);
  if (!result.success) {
    const issue = result.error.issues[0];
    return { problem: `${issue?.path.join('.') || 'line'}: ${issue?.message ?? 'does not fit the schema'}` };
  }
  const { kind, at, last, dropped, stripped, traceparent, event } = result.data;
  const { seq, ...lane } = at;
  if (kind === 'event') {
    if (seq === undefined) return { problem: 'at.seq: an event needs a number' };
    if (event === undefined) return { problem: 'event: missing' };
  }
  if ((kind === 'alive' || kind === 'end') && last === undefined) return { problem: 'last: missing' };
  return {
    kind,
    at: { collector: credential.collector, ...lane, ...(kind === 'event' && { seq: seq as number }) },
    trusted: credential.trusted,
    ...(last !== undefined && { last }),
    ...(dropped !== undefined && { dropped }),
    ...(stripped === true && { stripped }),
    ...(traceparent !== undefined && { traceparent }),
    value: kind === 'event' ? eventText(line, parsed as object, event) : '',
  };
}

/**
 * Our own lines end in `,"event":<text>}`, and what stands before is an object but for its brace: then the text is
 * cut out as it is. Any other order of keys is as good, and its event is written anew.
 */
function eventText(line: string, parsed: object, event: unknown): string {
  const mark = line.indexOf(MARK);
  if (mark > 0) {
    try {
      const head = JSON.parse(`${line.slice(0, mark)}}`) as object;
      if (Object.keys(head).length + 1 === Object.keys(parsed).length)
        return line.slice(mark + MARK.length, line.lastIndexOf('}')).trim();
    } catch {
      // The mark stands inside of something else.
    }
  }
  return JSON.stringify(event);
}
