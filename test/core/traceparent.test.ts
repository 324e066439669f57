import { expect, test } from 'vitest';
import { isSampled, traceFlags } from '../../core/traceparent.ts';

test.each([
  ['00', '00', false],
  ['01', '01', true],
  ['02', '02', false],
  ['03', '03', true],
  ['fd', '01', true],
  ['fe', '02', false],
])('flags %s are passed on as %s, sampled: %s', (flags, passedOn, sampled) => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`;
  expect(traceFlags(traceparent)).toBe(passedOn);
  expect(isSampled(traceparent)).toBe(sampled);
});

test('text that is no traceparent is not sampled', () => {
  expect(isSampled('')).toBe(false);
  expect(traceFlags('nonsense')).toBe('00');
});
