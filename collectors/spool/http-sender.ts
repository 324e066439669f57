import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { RawRecord } from '../../schemas/record.ts';
import { baseUrl, type Sender, type SendResult } from './destination.ts';
import { EVENTS_PATH, encodeLines, NDJSON, readWireAnswer, type WireAnswer } from './wire-client.ts';

/**
 * `import 'node:http'` reads each of its exports, and `WebSocket` among them loads all of undici: 40 ms and 12 MB at
 * the start of somebody else's server (Node 24). `require` reads none.
 */
const load = createRequire(import.meta.url);

/** An answer that takes longer is given up, and the batch sent again. */
const ANSWER_MS = 15_000;
/** Answers are short; anything longer isn't one of ours. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Posts batches to an ingest endpoint. Sockets don't keep the process alive. Only a well-formed 202 counts as taken;
 * a batch that is too large is halved.
 */
export function httpSender(url: string, token: string): Sender {
  const target = new URL(baseUrl(url) + EVENTS_PATH);
  const { Agent, request: open } =
    target.protocol === 'https:'
      ? (load('node:https') as typeof import('node:https'))
      : (load('node:http') as typeof import('node:http'));
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });

  const post = (body: Buffer, signal: AbortSignal): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const request = open(target, {
        method: 'POST',
        agent,
        signal,
        headers: {
          'content-type': NDJSON,
          'content-length': body.byteLength,
          authorization: `Bearer ${token}`,
        },
      });
      request.on('socket', (socket) => socket.unref());
      request.setTimeout(ANSWER_MS, () => request.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
      request.on('error', reject);
      request.on('response', (response) => {
        readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      });
      request.end(body);
    });

  const send = async (batch: readonly RawRecord[], signal: AbortSignal): Promise<SendResult[]> => {
    const body = encodeLines(batch);
    const { status, text } = await post(body, signal).catch((error: unknown) => {
      throw unreachable(target, messageOf(error), error);
    });
    if (status === 413) {
      if (batch.length === 1) return [{ kind: 'too_large' }];
      const half = Math.ceil(batch.length / 2);
      const first = await send(batch.slice(0, half), signal);
      return [...first, ...(await send(batch.slice(half), signal))];
    }
    if (status !== 202) throw unreachable(target, `it answered ${status}`, undefined, HINTS[status]);
    return resultsOf(parseAnswer(target, text), batch.length);
  };

  return {
    send,
    close: async () => agent.destroy(),
  };
}

function resultsOf(answer: WireAnswer, count: number): SendResult[] {
  const results: SendResult[] = Array.from({ length: count }, () => ({ kind: 'done' }));
  for (const { index, code, message } of answer.rejected) {
    if (index >= count) continue;
    results[index] =
      code === 'TM_RECORD_TOO_LARGE' ? { kind: 'too_large' } : { kind: 'rejected', code, message };
  }
  return results;
}

function parseAnswer(target: URL, text: string): WireAnswer {
  const answer = readWireAnswer(text);
  if (answer === undefined) throw unreachable(target, 'its answer is not that of an ingest endpoint');
  return answer;
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const HINTS: Readonly<Record<number, string>> = {
  401: "Set TOOLMETER_TOKEN to an enrolled collector's token.",
  403: "Set TOOLMETER_TOKEN to an enrolled collector's token.",
  404: 'Set TOOLMETER_URL to the address of `toolmeter up`.',
};

function unreachable(target: URL, why: string, cause?: unknown, hint?: string): ToolmeterError {
  return new ToolmeterError(
    'TM_INGEST_UNAVAILABLE',
    `Events can't be posted to ${target.origin}${target.pathname}: ${why}.`,
    hint ?? 'Start `toolmeter up`, or set TOOLMETER_URL. Events wait in the spool.',
    { cause },
  );
}
