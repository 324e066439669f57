import type { RawRecord } from '../../schemas/record.ts';
import { decodeLine, type WireCredential } from '../spool/wire.ts';

/**
 * The head of an event's line exactly as `encodeLines` writes it, up to the event's own text. A line that begins like
 * this is cut in two without being parsed: what the text is worth is for the processors, which have dead letters.
 */
const HEAD =
  /^\{"kind":"event","at":\{"instance":"([A-Za-z0-9._-]{1,64})","epoch":"([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})","lane":(0|[1-9]\d{0,3}),"seq":([1-9]\d{0,14})\}(,"stripped":true)?(?:,"traceparent":"([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})")?,"event":/;

/** Longest head that the pattern takes, bytes, rounded up. */
const HEAD_BYTES = 320;
const MAX_LANE = 4095;
const CLOSING_BRACE = 0x7d;

/** Lines of collectors begin with one of these, foreign events don't: their kinds are `call` and `adjustment`. */
const RECORD_START = /^\s*\{\s*"kind"\s*:\s*"(?:event|open|alive|end|gap)"/;

/** Whether a line claims to be a collector's record. */
export function isRecordLine(line: Buffer): boolean {
  return RECORD_START.test(line.toString('latin1', 0, Math.min(64, line.length)));
}

/**
 * The record of a collector's line, its value the event's own bytes (of the same memory as `line`). Collector and trust
 * come from the credential, so that no token can advance another's numbering.
 */
export function readRecordLine(line: Buffer, credential: WireCredential): RawRecord | { problem: string } {
  const head = HEAD.exec(line.toString('latin1', 0, Math.min(HEAD_BYTES, line.length)));
  const lane = Number(head?.[3]);
  if (head === null || lane > MAX_LANE || line[line.length - 1] !== CLOSING_BRACE) {
    try {
      return decodeLine(line.toString('utf8'), credential);
    } catch {
      // Nested too deeply to be written anew.
      return { problem: 'the line is not written as a collector writes it' };
    }
  }
  return {
    kind: 'event',
    at: {
      collector: credential.collector,
      instance: head[1] as string,
      epoch: head[2] as string,
      lane,
      seq: Number(head[4]),
    },
    trusted: credential.trusted,
    ...(head[5] !== undefined && { stripped: true }),
    ...(head[6] !== undefined && { traceparent: head[6] }),
    value: line.subarray(head[0].length, line.length - 1),
  };
}
