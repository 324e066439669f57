import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunk, maxMessageBytes } from '../../eventlog/kafka/chunks.ts';
import type { NewRecord } from '../../eventlog/port.ts';
import { TOPICS, type Topic } from '../../schemas/topics.ts';

const MAX = 20_000;
const limitOf = (): number => MAX;

/** Bytes of a record batch, as the format's description has them (no compression). */
function batchBytes(records: readonly NewRecord[]): number {
  const varint = 5;
  return records.reduce((size, { key, value, headers }) => {
    const body =
      1 +
      10 +
      varint * 5 +
      (key?.length ?? 0) +
      (value?.length ?? 0) +
      Object.entries(headers ?? {}).reduce(
        (sum, [name, text]) => sum + varint * 2 + name.length + text.length,
        0,
      );
    return size + body;
  }, 61);
}

const record = fc.record({
  topic: fc.constantFrom<Topic>(TOPICS.raw, TOPICS.calls),
  partition: fc.nat(2),
  value: fc.nat(MAX - 40).map((size) => 'x'.repeat(size)),
  headers: fc.constantFrom<Record<string, string>>({}, { a: '1', b: '22' }),
});

describe('chunks', () => {
  test('are taken by the broker, lose nothing, and keep each partition’s order', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 40 }), (records: NewRecord[]) => {
        const requests = chunk(records, limitOf);
        const place = ({ topic, partition }: NewRecord): string => `${topic}/${partition}`;
        for (const request of requests) {
          expect(request.length).toBeGreaterThan(0);
          for (const batch of Map.groupBy(request, place).values())
            expect(batchBytes(batch)).toBeLessThanOrEqual(maxMessageBytes(MAX));
        }
        expect(Map.groupBy(requests.flat(), place)).toEqual(Map.groupBy(records, place));
      }),
    );
  });

  test('many small records go in few requests', () => {
    const records = Array.from(
      { length: 1_000 },
      (): NewRecord => ({ topic: TOPICS.raw, partition: 0, value: 'x' }),
    );
    expect(chunk(records, limitOf).length).toBeLessThan(4);
  });

  test('a record over the limit is refused', () => {
    const at = (size: number): NewRecord => ({ topic: TOPICS.raw, partition: 0, value: 'x'.repeat(size) });
    expect(chunk([at(MAX)], limitOf)).toHaveLength(1);
    expect(() => chunk([at(1), at(MAX + 1)], limitOf)).toThrow(
      expect.objectContaining({ code: 'TM_RECORD_TOO_LARGE' }),
    );
  });
});
