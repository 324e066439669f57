import { findValue } from '../rpc/find-value.ts';
import type { RpcTracker } from '../rpc/tracker.ts';
import type { Envelope } from './envelope.ts';
import type { LineSink } from './lines.ts';

const BYTE_ORDER_MARK = 0xfeff;

/** What becomes of the lines that a client writes: requests begin calls; what isn't JSON is malformed. */
export function feedRequest(tracker: RpcTracker, arrivedMs: () => number): LineSink {
  return {
    line(bytes) {
      const text = decode(bytes);
      const context = { arrivedMs: arrivedMs() };
      const value = parse(text);
      if (value === undefined) {
        if (text.trim() !== '') tracker.malformed(text, 'not JSON', context);
        return;
      }
      for (const [message, wire] of messagesOf(value, text)) tracker.fromClient(message, wire, context);
    },
    tooLarge(messages, bytes) {
      const context = { arrivedMs: arrivedMs() };
      if (messages.length === 0) {
        tracker.malformed('', `a line of ${bytes} bytes, over the limit, that holds no message`, context);
      }
      for (const envelope of messages) {
        const call = tracker.fromClient(skeletonOf(envelope), undefined, context);
        call?.omit('arguments', envelope.sizes.get('params.arguments') ?? envelope.sizes.get('params') ?? 0);
      }
    },
  };
}

/** What becomes of the lines that a server writes: answers end calls; banners and other text are nothing. */
export function feedAnswer(tracker: RpcTracker, arrivedMs: () => number): LineSink {
  return {
    line(bytes) {
      const text = decode(bytes);
      const value = parse(text);
      if (value === undefined) return;
      for (const [message, wire] of messagesOf(value, text)) tracker.fromServer(message, wire, arrivedMs());
    },
    tooLarge(messages) {
      for (const envelope of messages) {
        const call = tracker.fromServer(skeletonOf(envelope), undefined, arrivedMs());
        const bytes = envelope.sizes.get('result');
        if (bytes !== undefined) call?.omit('result', bytes);
      }
    },
  };
}

function decode(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

/** The value of a JSON object or array; undefined for any other text. */
function parse(text: string): object | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

/** Each message of a line with its own text; a batch has several. An empty batch stays what it is. */
export function messagesOf(value: object, text: string): [unknown, string][] {
  if (!Array.isArray(value) || value.length === 0) return [[value, text]];
  const out: [unknown, string][] = [];
  const comma = /\s*,/y;
  let at = text.indexOf('[') + 1;
  for (const message of value as unknown[]) {
    const span = findValue(text.slice(at), []);
    if (span === undefined) break;
    out.push([message, text.slice(at + span.start, at + span.end)]);
    comma.lastIndex = at + span.end;
    if (!comma.test(text)) break;
    at = comma.lastIndex;
  }
  return out;
}

/** The message that an envelope tells of, without its content. */
export function skeletonOf(envelope: Envelope): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const key of envelope.sizes.keys()) {
    if (key === 'params' || key === 'result' || key === 'error') message[key] = {};
  }
  for (const [path, raw] of envelope.scalars) {
    const value = scalar(raw);
    const [top, below] = path.split('.') as [string, string | undefined];
    if (value === undefined) continue;
    if (below === undefined) message[top] = value;
    else (message[top] as Record<string, unknown>)[below] = value;
  }
  return message;
}

function scalar(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}
