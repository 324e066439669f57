import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { IdSet } from '../../../processors/dedupe/id-set.ts';

const id = (n: number): Uint8Array => createHash('sha256').update(String(n)).digest().subarray(0, 16);

test('holds what was added and nothing else, through many doublings', () => {
  const set = new IdSet();
  for (let n = 0; n < 5_000; n++) {
    expect(set.add(id(n))).toBe(true);
    expect(set.add(id(n))).toBe(false);
  }
  expect(set.size).toBe(5_000);
  for (let n = 0; n < 5_000; n++) expect(set.has(id(n))).toBe(true);
  for (let n = 5_000; n < 10_000; n++) expect(set.has(id(n))).toBe(false);
});

test('ids that collide in their first word are told apart', () => {
  const set = new IdSet();
  for (let n = 0; n < 200; n++) {
    const bytes = new Uint8Array(16);
    bytes[15] = n;
    bytes[0] = 7;
    expect(set.has(bytes)).toBe(false);
    set.add(bytes);
    expect(set.has(bytes)).toBe(true);
  }
});
