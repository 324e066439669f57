import type { RawRecord } from '../../schemas/raw-record.ts';

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

/** The ingest's answer. Everything that is not in `rejected` is on disk there. */
export interface WireAnswer {
  readonly accepted: number;
  readonly rejected: readonly {
    /** Line of the request, from 0. */
    readonly index: number;
    readonly code: string;
    readonly message: string;
  }[];
}

/**
 * The answer that a text holds, or undefined where it is none. By hand: this runs beside other people's servers,
 * where no validator is loaded.
 */
export function readWireAnswer(text: string): WireAnswer | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { accepted, rejected = [] } = parsed as Record<string, unknown>;
  if (!isCount(accepted) || !Array.isArray(rejected)) return undefined;
  const read: { index: number; code: string; message: string }[] = [];
  for (const item of rejected as unknown[]) {
    if (typeof item !== 'object' || item === null) return undefined;
    const { index, code, message = '' } = item as Record<string, unknown>;
    if (!isCount(index) || typeof code !== 'string' || typeof message !== 'string') return undefined;
    read.push({ index, code, message });
  }
  return { accepted, rejected: read };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Records as lines. The events' JSON texts go in as they are. */
export function encodeLines(records: readonly RawRecord[]): Buffer {
  const parts: Uint8Array[] = [];
  /** What is text is encoded in one go. */
  let text = '';
  for (const record of records) {
    const { kind, at, last, dropped, stripped, traceparent, value } = record;
    const head = JSON.stringify({
      kind,
      at: at && { instance: at.instance, epoch: at.epoch, lane: at.lane, seq: at.seq },
      last,
      dropped,
      stripped,
      traceparent,
    });
    if (kind !== 'event') {
      text += `${head}\n`;
      continue;
    }
    text += `${head.slice(0, -1)},"event":`;
    if (typeof value === 'string') text += value;
    else {
      parts.push(Buffer.from(text), value);
      text = '';
    }
    text += '}\n';
  }
  parts.push(Buffer.from(text));
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}
