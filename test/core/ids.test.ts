import { describe, expect, it } from 'vitest';
import { newSpanId, newTraceId, uuidv7, uuidv7TimeMs } from '../../core/ids.ts';

describe('uuidv7', () => {
  it('has version, variant and time', () => {
    const now = Date.now();
    const id = uuidv7(now);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Math.abs(uuidv7TimeMs(id) - now)).toBeLessThan(1000);
  });

  it('sorts by the order of making, within a millisecond and when the clock steps back', () => {
    const base = Date.now() + 10_000;
    const ids: string[] = [];
    for (let i = 0; i < 20_000; i++)
      ids.push(uuidv7(i === 10_000 ? base - 5_000 : base + Math.floor(i / 9_000)));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('trace context ids', () => {
  it('have their lengths', () => {
    expect(newTraceId()).toMatch(/^[0-9a-f]{32}$/);
    expect(newSpanId()).toMatch(/^[0-9a-f]{16}$/);
  });
});
