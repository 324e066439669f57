import { ToolmeterError } from '../../core/errors.ts';
import type { RawRecord } from '../../schemas/record.ts';
import type { WireCredential } from '../spool/wire.ts';
import { binaryEvent, structuredEvent } from './cloud-event.ts';
import { foreignRecord, type Refusal } from './foreign.ts';
import type { BodyFormat } from './format.ts';
import { isRecordLine, readRecordLine } from './numbered.ts';

/** One event of a body that is not taken. */
export interface Rejection {
  /** Its line, or its place in the array, from 0. */
  readonly index: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface Decoded {
  readonly records: readonly RawRecord[];
  /** Index in the body of each record. */
  readonly indexes: readonly number[];
  readonly rejected: readonly Rejection[];
  /** Whether a collector's own records were among them. */
  readonly numbered: boolean;
}

/** Events a request: what bounds the answer, which names each refused one. */
export const MAX_EVENTS = 10_000;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The records of a body.
 * @throws ToolmeterError TM_REQUEST_MALFORMED where it is not JSON, TM_BODY_TOO_LARGE where it has too many events
 */
export function decodeBody(
  format: BodyFormat,
  body: Buffer,
  headers: Readonly<Record<string, unknown>>,
  credential: WireCredential,
): Decoded {
  const records: RawRecord[] = [];
  const indexes: number[] = [];
  const rejected: Rejection[] = [];
  let numbered = false;

  const take = (index: number, record: RawRecord | { problem: Refusal }): void => {
    if (records.length + rejected.length >= MAX_EVENTS) throw tooMany();
    if ('problem' in record) {
      rejected.push({ index, ...record.problem });
    } else {
      records.push(record);
      indexes.push(index);
    }
  };
  const takeParsed = (index: number, parsed: unknown): void =>
    take(
      index,
      isCloudEvent(parsed)
        ? fromCloudEvent(structuredEvent(parsed), credential)
        : foreignRecord(parsed, credential),
    );

  if (format === 'lines') {
    for (const { index, line } of linesOf(body)) {
      if (isRecordLine(line)) {
        numbered = true;
        const record = readRecordLine(line, credential);
        take(index, 'problem' in record ? { problem: notARecord(record.problem) } : record);
        continue;
      }
      let parsed: unknown;
      try {
        parsed = JSON.parse(line.toString('utf8'));
      } catch {
        take(index, { problem: NOT_JSON });
        continue;
      }
      takeParsed(index, parsed);
    }
  } else {
    const parsed = parseJson(body);
    const list = Array.isArray(parsed) && format !== 'cloudevent-binary' ? parsed : [parsed];
    if (list.length > MAX_EVENTS) throw tooMany();
    for (const [index, item] of list.entries()) {
      if (format === 'json') takeParsed(index, item);
      else if (format === 'cloudevent-binary')
        take(index, fromCloudEvent(binaryEvent(headers, item), credential));
      else take(index, fromCloudEvent(structuredEvent(item), credential));
    }
  }
  return { records, indexes, rejected, numbered };
}

function* linesOf(body: Buffer): Generator<{ index: number; line: Buffer }> {
  let start = 0;
  for (let index = 0; start < body.length; index++) {
    const feed = body.indexOf(LINE_FEED, start);
    const next = feed === -1 ? body.length : feed;
    const end = next > start && body[next - 1] === CARRIAGE_RETURN ? next - 1 : next;
    if (end > start) yield { index, line: body.subarray(start, end) };
    start = next + 1;
  }
}

function parseJson(body: Buffer): unknown {
  const text = body.toString('utf8');
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    throw new ToolmeterError(
      'TM_REQUEST_MALFORMED',
      'The body is not JSON.',
      'For one event a line, send content-type application/x-ndjson.',
    );
  }
}

const isCloudEvent = (parsed: unknown): boolean =>
  typeof parsed === 'object' && parsed !== null && Object.hasOwn(parsed, 'specversion');

function fromCloudEvent(
  event: ReturnType<typeof structuredEvent>,
  credential: WireCredential,
): RawRecord | { problem: Refusal } {
  return 'problem' in event ? event : foreignRecord(event.data, credential, event);
}

const NOT_JSON: Refusal = {
  code: 'TM_EVENT_NOT_JSON',
  message: 'the line is not JSON',
  hint: 'Send one JSON object a line, in UTF-8.',
};

const notARecord = (message: string): Refusal => ({
  code: 'TM_EVENT_SCHEMA',
  message: message.slice(0, 512),
  hint: "Send a collector's lines as the spool writes them.",
});

const tooMany = (): ToolmeterError =>
  new ToolmeterError(
    'TM_BODY_TOO_LARGE',
    `A request may have ${MAX_EVENTS} events.`,
    'Send fewer events a request.',
  );
