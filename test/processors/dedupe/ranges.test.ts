import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  append,
  fromSteps,
  has,
  put,
  size,
  splits,
  take,
  toSteps,
} from '../../../processors/dedupe/ranges.ts';

const N = 40;
const operation = fc.record({
  kind: fc.constantFrom('put', 'take', 'append'),
  n: fc.integer({ min: 1, max: N }),
});

test('ranges are a set of numbers, whatever is put in and taken out', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const ranges: number[] = [];
      const model = new Set<number>();
      for (const { kind, n } of operations) {
        if (kind === 'put') {
          put(ranges, n);
          model.add(n);
        } else if (kind === 'take') {
          const before = ranges.length;
          const willSplit = splits(ranges, n);
          expect(take(ranges, n)).toBe(model.delete(n));
          expect(ranges.length > before).toBe(willSplit);
        } else {
          const top = (ranges.at(-1) ?? 0) + 2;
          append(ranges, top, top + n);
          for (let i = top; i <= top + n; i++) model.add(i);
        }
        for (let i = 0; i <= N + 2; i++) expect(has(ranges, i)).toBe(model.has(i));
        expect(size(ranges)).toBe(model.size);
        for (let i = 1; i < ranges.length; i++) {
          const step = (ranges[i] as number) - (ranges[i - 1] as number);
          // First and last may be one; two ranges never touch.
          expect(step).toBeGreaterThanOrEqual(i % 2 === 0 ? 2 : 0);
        }
        expect(fromSteps(toSteps(ranges))).toEqual(ranges);
      }
    }),
    { numRuns: 200 },
  );
});
