/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context-2/#trace-flags): bit 0 is `sampled`, bit 1 `random` (of the
 * trace id). What the other bits will mean isn't known: they are not passed on.
 */
const KNOWN_FLAGS = 0b11;
const SAMPLED = 0b01;

const flagsOf = (traceparent: string): number => Number.parseInt(traceparent.slice(53, 55), 16) & KNOWN_FLAGS;

/** The flags that a new traceparent of the same trace carries, two hex digits. */
export function traceFlags(traceparent: string): string {
  return flagsOf(traceparent).toString(16).padStart(2, '0');
}

/** Whether who started the trace records it: of one that is not sampled nobody else is to export spans. */
export function isSampled(traceparent: string): boolean {
  return (flagsOf(traceparent) & SAMPLED) !== 0;
}
