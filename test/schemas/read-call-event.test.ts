import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CALL_EVENT_VERSION, CallEventSchema } from '../../schemas/call-event.ts';
import { checkCallEvent, readCallEvent } from '../../schemas/read-call-event.ts';
import { observedCall } from '../support/events.ts';

/** Values that are near to what a field wants, on both sides of its bounds. */
const nearby = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    true,
    0,
    -1,
    1,
    1.5,
    Number.MAX_SAFE_INTEGER,
    Number.MAX_SAFE_INTEGER + 1,
    '',
    'ok',
    'call',
    'adjustment',
    '2026-11-25T00:00:00Z',
    '2026-11-25T00:00:00.123456Z',
    '2026-11-25T00:00:00+01:00',
    '2026-02-30T00:00:00Z',
    '2026-11-25 00:00:00',
    '0.000000000001',
    '0.0000000000001',
    '-5',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    {},
    [],
    { kid: 'k', value: 'A'.repeat(43) },
    { name: 'x' },
    { name: 'x', more: 1 },
    { type: 'string', value: '1' },
    { items: 1, bytes: 2 },
    Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`t${i}`, 'x'])),
  ),
  fc.integer({ min: 500, max: 520 }).map((length) => 'é'.repeat(length)),
  fc.integer({ min: 254, max: 258 }).map((length) => '😀'.repeat(length)),
  fc.jsonValue({ maxDepth: 2 }),
);

const keys = [
  ...Object.keys(observedCall()),
  'nested',
  'links',
  'trace',
  'usage',
  'cost',
  'model',
  'ip',
  'error',
  'surprise',
];

describe('readCallEvent', () => {
  it('says yes and no exactly where zod does', () => {
    let valid = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...keys), nearby), { maxLength: 2 }), (changes) => {
        const event: Record<string, unknown> = observedCall();
        for (const [key, value] of changes) {
          if (key === 'schema_version') continue;
          if (value === undefined) delete event[key];
          else event[key] = value;
        }
        const ours = !('problem' in checkCallEvent(event));
        expect(ours, JSON.stringify(event)).toBe(CallEventSchema.safeParse(event).success);
        if (ours) valid++;
      }),
      { numRuns: 5_000 },
    );
    expect(valid).toBeGreaterThan(100);
  });

  it('names the place, never the value', () => {
    const result = readCallEvent(JSON.stringify({ ...observedCall(), duration_us: 'secret-value' }));
    expect(result).toMatchObject({ problem: { code: 'TM_EVENT_SCHEMA' } });
    expect(JSON.stringify(result)).toContain('duration_us');
    expect(JSON.stringify(result)).not.toContain('secret-value');
  });

  it.each([
    ['not JSON', '{', 'TM_EVENT_NOT_JSON'],
    ['NaN', '{"schema_version":NaN}', 'TM_EVENT_NOT_JSON'],
    ['no object', '[]', 'TM_EVENT_SCHEMA'],
    ['no version', '{}', 'TM_EVENT_SCHEMA'],
    ['a later version', JSON.stringify({ schema_version: CALL_EVENT_VERSION + 1 }), 'TM_EVENT_VERSION'],
    [
      'deep nesting',
      `{"schema_version":1,"kind":"call","tags":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
      'TM_EVENT_SCHEMA',
    ],
  ])('refuses %s', (_, text, code) => expect(readCallEvent(text)).toMatchObject({ problem: { code } }));

  it('reads what was written in every version up to this one', () => {
    expect(readCallEvent(JSON.stringify(observedCall()))).toMatchObject({ kind: 'call' });
  });
});
