import { z } from 'zod';
import { CoordinatesSchema, type RawRecord, RECORD_KINDS } from '../../schemas/record.ts';

/** What ends the head of our own lines. */
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
