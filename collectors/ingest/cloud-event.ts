import type { Refusal, SourceId } from './foreign.ts';

/** A CloudEvent of version 1.0 (https://github.com/cloudevents/spec), as far as we need it. */
export interface CloudEvent extends SourceId {
  readonly source: string;
  readonly traceparent?: string;
  readonly data: unknown;
}

const MAX_ATTRIBUTE = 2048;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A CloudEvent of the JSON format: structured mode, or one of a batch. */
export function structuredEvent(parsed: unknown): CloudEvent | { problem: Refusal } {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return refuse('the value is not a JSON object');
  const event = parsed as Record<string, unknown>;
  const context = contextOf((name) => event[name]);
  if ('problem' in context) return context;
  const { datacontenttype: type, data_base64: packed } = event;
  if (type !== undefined && !(typeof type === 'string' && isJson(type)))
    return refuse('datacontenttype: expected application/json');
  if (packed === undefined) return { ...context, data: event.data };
  if (typeof packed !== 'string') return refuse('data_base64: expected a string');
  try {
    return { ...context, data: JSON.parse(Buffer.from(packed, 'base64').toString('utf8')) };
  } catch {
    return refuse('data_base64: does not hold JSON');
  }
}

/** A CloudEvent in binary mode: its attributes are headers `ce-…`, percent-encoded; the body is its data. */
export function binaryEvent(
  headers: Readonly<Record<string, unknown>>,
  data: unknown,
): CloudEvent | { problem: Refusal } {
  const context = contextOf((name) => {
    const header = headers[`ce-${name}`] ?? (name === 'traceparent' ? headers.traceparent : undefined);
    if (typeof header !== 'string') return undefined;
    try {
      return decodeURIComponent(header);
    } catch {
      return header;
    }
  });
  return 'problem' in context ? context : { ...context, data };
}

function contextOf(read: (name: string) => unknown): Omit<CloudEvent, 'data'> | { problem: Refusal } {
  if (read('specversion') !== '1.0') return refuse('specversion: expected 1.0');
  for (const name of ['id', 'source', 'type']) {
    const value = read(name);
    if (typeof value !== 'string' || value === '' || value.length > MAX_ATTRIBUTE)
      return refuse(`${name}: expected text of 1 to ${MAX_ATTRIBUTE} characters`);
  }
  const traceparent = read('traceparent');
  return {
    id: read('id') as string,
    source: read('source') as string,
    ...(typeof traceparent === 'string' && TRACEPARENT.test(traceparent) && { traceparent }),
  };
}

const isJson = (type: string): boolean => /^application\/(?:[\w.+-]+\+)?json\b/i.test(type);

const refuse = (message: string): { problem: Refusal } => ({
  problem: { code: 'TM_CLOUDEVENT', message, hint: 'Send CloudEvents 1.0 whose data is a CallEvent.' },
});
