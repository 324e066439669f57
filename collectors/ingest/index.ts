import type { AppendResult } from '../../eventlog/port.ts';
import type { RawRecord } from '../../schemas/record.ts';
import type { WireCredential } from '../spool/wire.ts';
import { decodeBody, type Rejection } from './decode.ts';
import { type BodyFormat, formatOf } from './format.ts';
import { unpack } from './unpack.ts';

export { logSink } from './log-sink.ts';

/**
 * Where records go. Resolves when every record that it says `ok` of is on disk; a result a record, in order. Rejects
 * (`TM_LOG_UNAVAILABLE`) where it can't tell: the sender tries again, and what was written already counts once.
 */
export type IngestSink = (records: readonly RawRecord[]) => Promise<AppendResult[]>;

export interface IngestRequest {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly credential: WireCredential;
}

/** Every event of the body is accepted or in `rejected`. */
export interface IngestAnswer {
  readonly accepted: number;
  readonly rejected: readonly Rejection[];
  /** Whether a collector's own records were among them. */
  readonly numbered: boolean;
  readonly format: BodyFormat;
  /** Size of the body, unpacked. */
  readonly sizeBytes: number;
  /** Of the accepted records, for spans. */
  readonly traceparents: readonly string[];
}

export interface IngestOptions {
  readonly sink: IngestSink;
  /** Largest body, unpacked. */
  readonly maxBodyBytes: number;
}

/**
 * Takes events over HTTP: collectors' numbered records, whose values go to the log as they are, and events from outside
 * (`CallEvent`s, bare or in CloudEvents), which are checked first. Resolves when the accepted ones are on disk.
 * @throws ToolmeterError TM_MEDIA_TYPE, TM_BODY_TOO_LARGE, TM_REQUEST_MALFORMED: nothing was taken
 */
export async function ingest(request: IngestRequest, options: IngestOptions): Promise<IngestAnswer> {
  const { headers, credential } = request;
  const format = formatOf(headers);
  const encoding = headers['content-encoding'];
  const body = await unpack(
    request.body,
    typeof encoding === 'string' ? encoding : undefined,
    options.maxBodyBytes,
  );
  const { records, indexes, rejected, numbered } = decodeBody(format, body, headers, credential);
  const refused = [...rejected];
  const traceparents: string[] = [];
  let accepted = 0;
  if (records.length > 0) {
    for (const [i, result] of (await options.sink(records)).entries()) {
      const { traceparent } = records[i] as RawRecord;
      if (result.ok) {
        accepted++;
        if (traceparent !== undefined) traceparents.push(traceparent);
      } else {
        refused.push({ index: indexes[i] as number, code: result.code, message: TOO_LARGE, hint: SHORTEN });
      }
    }
  }
  refused.sort((a, b) => a.index - b.index);
  return { accepted, rejected: refused, numbered, format, sizeBytes: body.length, traceparents };
}

const TOO_LARGE = 'the event is larger than the log takes (1,000,000 bytes)';
const SHORTEN = 'Send it again with shorter content, or without: {"state":"omitted","bytes":…}.';
