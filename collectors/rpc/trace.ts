import { newSpanId, newTraceId } from '../../core/ids.ts';

/** W3C Trace Context, level 1: version 00 has exactly four parts, and ids of zeros are invalid. */
const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export interface TraceContext {
  traceparent: string;
  tracestate?: string;
}

/** The caller's trace context where it is valid; else a new, sampled one. */
export function traceOf(traceparent: unknown, tracestate: unknown): TraceContext {
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent) || traceparent.startsWith('ff'))
    return { traceparent: `00-${newTraceId()}-${newSpanId()}-01` };
  return typeof tracestate === 'string' && tracestate !== '' && tracestate.length <= 512
    ? { traceparent, tracestate }
    : { traceparent };
}
