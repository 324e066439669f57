import { z } from 'zod';
import { HEADER, type RawRecord } from './raw-record.ts';

export { HEADER, type RawRecord, toHeaders } from './raw-record.ts';

/**
 * Coordinates of a record: who wrote it, where in its numbering. They travel unchanged from spool to table, in the
 * log's headers, and are what dedupe sees: a number never means two things.
 */
export const CoordinatesSchema = z.strictObject({
  /** The enrolled token's id, or `broker` where holding the brokers' credentials is the trust. */
  collector: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  /** The spool: a UUID made with its folder. */
  instance: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  /** UUIDv7 made each time the spool is opened. */
  epoch: z.uuid(),
  lane: z.int().min(0).max(4095),
  /** From 1. */
  seq: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
});
export type Coordinates = z.infer<typeof CoordinatesSchema>;
export type LaneId = Omit<Coordinates, 'seq'>;

/**
 * What a raw record is. `event` is numbered (or foreign: without coordinates). The others are control records of a
 * lane, unnumbered: `open` first in each lane; `alive` and `end` carry the last number given; `gap` tells of events
 * dropped because the spool was full (they have no numbers).
 */
export const RECORD_KINDS = ['event', 'open', 'alive', 'end', 'gap'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

const int = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  return Number(text);
};

/** The record that headers and value stand for, or the reason why they stand for none. */
export function fromHeaders(
  headers: Readonly<Record<string, string>>,
  value: Uint8Array,
): RawRecord | { problem: string } {
  const kind = headers[HEADER.record] as RecordKind | undefined;
  if (kind === undefined || !RECORD_KINDS.includes(kind))
    return { problem: `header ${HEADER.record} is not a record kind` };
  let at: RawRecord['at'];
  if (headers[HEADER.epoch] !== undefined) {
    const seq = int(headers[HEADER.seq]);
    const parsed = CoordinatesSchema.safeParse({
      collector: headers[HEADER.collector],
      instance: headers[HEADER.instance],
      epoch: headers[HEADER.epoch],
      lane: int(headers[HEADER.lane]),
      seq: seq ?? 1,
    });
    if (!parsed.success)
      return {
        problem: `coordinates: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`,
      };
    const { seq: _, ...lane } = parsed.data;
    if (kind === 'event' && seq === undefined) return { problem: `header ${HEADER.seq} is missing` };
    at = kind === 'event' ? { ...lane, seq: seq as number } : lane;
  } else if (kind !== 'event') {
    return { problem: `a ${kind} record has no lane` };
  }
  // Events from outside that were taken before they carried it have none.
  const collector = at === undefined ? headers[HEADER.collector] : undefined;
  if (collector !== undefined && !CoordinatesSchema.shape.collector.safeParse(collector).success)
    return { problem: `header ${HEADER.collector} is not a collector's id` };
  const last = int(headers[HEADER.last]);
  if ((kind === 'alive' || kind === 'end') && last === undefined)
    return { problem: `header ${HEADER.last} is missing` };
  const dropped = int(headers[HEADER.dropped]);
  return {
    kind,
    trusted: headers[HEADER.trusted] === '1',
    value,
    ...(at !== undefined && { at }),
    ...(last !== undefined && { last }),
    ...(dropped !== undefined && { dropped }),
    ...(headers[HEADER.foreignId] !== undefined && { foreignId: headers[HEADER.foreignId] }),
    ...(collector !== undefined && { collector }),
    ...(headers[HEADER.stripped] === '1' && { stripped: true }),
    ...(headers[HEADER.replayOf] !== undefined && { replayOf: headers[HEADER.replayOf] }),
    ...(headers[HEADER.traceparent] !== undefined && { traceparent: headers[HEADER.traceparent] }),
  };
}
