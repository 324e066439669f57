import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rowOf } from '../../processors/row.ts';
import { rowText } from '../../processors/row-text.ts';
import { type MeteredCall, MeteredCallRecordSchema } from '../../schemas/metered-call.ts';
import { observedCall } from '../support/events.ts';

const base = rowOf(observedCall(), { kind: 'event', trusted: true, value: '' }, 0n);
const names = Object.keys(base) as (keyof MeteredCall)[];

/** Values of a column's own kind, its zero among them. */
function like(value: MeteredCall[keyof MeteredCall]): fc.Arbitrary<unknown> {
  if (typeof value === 'number') return fc.nat({ max: Number.MAX_SAFE_INTEGER });
  if (typeof value === 'boolean') return fc.boolean();
  return fc.constant(value);
}

describe('rowText', () => {
  it('is read back as the row, whatever is zero', () => {
    const change = fc.constantFrom(...names).chain((name) => fc.tuple(fc.constant(name), like(base[name])));
    // zod's records lose a key of this name; ours never go through them.
    const text = fc.string({ unit: 'binary' }).filter((value) => value !== '__proto__');
    fc.assert(
      fc.property(change, text, ([name, value], words) => {
        const changed = {
          ...base,
          error_text: words,
          tags: { [words]: words },
          [name]: value,
        } as MeteredCall;
        for (const one of ['schema_version', 'processing_version', 'calls'] as const) changed[one] = 1;
        expect(MeteredCallRecordSchema.parse(JSON.parse(rowText(changed)))).toEqual(changed);
      }),
      { numRuns: 1_000 },
    );
  });

  it('leaves out what is zero, and always names the raw offset', () => {
    const text = rowText(base);
    expect(text).toContain('"raw_offset":0');
    expect(text).not.toContain('"error_text"');
    expect(text.length).toBeLessThan(JSON.stringify(base).length / 1.5);
  });
});
