import fc from 'fast-check';
import { expect, test } from 'vitest';
import { firstAtOrAfter } from '../../eventlog/embedded/retention.ts';

test('the first record that is young enough is found, also over holes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ gap: fc.nat(3), later: fc.nat(5) }), { maxLength: 50 }),
      fc.nat(10),
      fc.nat(200),
      (steps, low, cutoff) => {
        let offset = low;
        let time = 0;
        const records = steps.map(({ gap, later }) => {
          offset += 1 + gap;
          time += later;
          return { offset, time };
        });
        const high = offset + 1;
        const timeAt = (from: number) => records.find((record) => record.offset >= from)?.time;
        const found = firstAtOrAfter(timeAt, low, high, cutoff);
        for (const record of records) expect(record.time < cutoff).toBe(record.offset < found);
        expect(found).toBeLessThanOrEqual(high);
      },
    ),
  );
});
