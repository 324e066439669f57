import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../../../bench/load.ts';
import { DriftDetector } from '../../../processors/detect/index.ts';

const START = Date.parse('2026-01-05T00:00:00Z');
const MINUTE = 60_000;

/** A bell-shaped number: the sum of twelve even ones. */
const bell = (next: () => number): number => {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += next();
  return sum;
};
function scores(values: readonly number[], stepMs = 5 * MINUTE): number[] {
  const detector = new DriftDetector();
  return values.map((value, i) => detector.next(START + i * stepMs, value));
}
const series = (length: number, seed: number, at: (i: number, noise: number) => number): number[] => {
  const next = random(seed);
  return Array.from({ length }, (_, i) => at(i, bell(next)));
};
/** Where the highest score is, of those after the first `from`. */
function peak(all: readonly number[], from = 200): number {
  let best = from;
  for (let i = from; i < all.length; i++) if ((all[i] as number) > (all[best] as number)) best = i;
  return best;
}

describe('the highest score is where the series changes', () => {
  const N = 2000;
  const AT = 1400;
  const day = (i: number): number => Math.sin((2 * Math.PI * i) / 288);
  const cases: [name: string, within: number, at: (i: number, noise: number) => number][] = [
    ['level shift', 24, (i, noise) => 100 + noise + (i >= AT ? 8 : 0)],
    ['spike', 1, (i, noise) => 100 + noise + (i === AT ? 20 : 0)],
    ['dip', 1, (i, noise) => 100 + noise - (i === AT ? 20 : 0)],
    ['more spread', 40, (i, noise) => 100 + noise * (i >= AT ? 6 : 1)],
    ['shift of a skewed series', 30, (i, noise) => Math.exp(noise + (i >= AT ? 4 : 0))],
    [
      'a usual value at the wrong hour',
      30,
      (i, noise) => 50 + 20 * (i >= AT && i < AT + 40 ? -day(i) : day(i)) + noise,
    ],
    ['spike in a season', 1, (i, noise) => 50 + 20 * day(i) + noise + (i === AT ? 20 : 0)],
    [
      'a cycle left out',
      60,
      (i, noise) => 10 * Math.sin((2 * Math.PI * i) / 50) * (i >= AT && i < AT + 50 ? 0 : 1) + noise / 10,
    ],
    ['a flat series moves', 1, (i) => (i === AT ? 5.2 : 5)],
    ['a series of zeros moves', 1, (i) => (i === AT ? 1 : 0)],
  ];
  it.each(cases)('%s', (name, within, at) => {
    for (let seed = 1; seed <= 5; seed++) {
      const all = scores(series(N, seed, at));
      const found = peak(all);
      expect(found).toBeGreaterThanOrEqual(AT);
      expect(found).toBeLessThanOrEqual(AT + within);
      // The highest is enough for a search; a cycle's absence stays within the values that are usual.
      expect(all[found]).toBeGreaterThan(name === 'a cycle left out' ? 0.1 : 0.3);
    }
  });

  it('a counter runs faster, and its restart is none', () => {
    let total = 0;
    const values = series(N, 7, (i, noise) => {
      if (i === 900) total = 0;
      total += 100 + noise * 5 + (i >= AT ? 100 : 0);
      return total;
    });
    const found = peak(scores(values));
    expect(found - AT).toBeGreaterThanOrEqual(0);
    expect(found - AT).toBeLessThanOrEqual(24);
  });
});

it('what is usual scores low', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const noise = scores(series(3000, seed, (_, n) => n));
    expect(noise.slice(500).filter((score) => score > 0.4).length).toBeLessThan(6);
    expect(scores(Array(2000).fill(42)).every((score) => score === 0)).toBe(true);
  }
});

it('what goes on scores at its start', () => {
  const all = scores(series(2000, 3, (i, noise) => noise + (i >= 1000 ? 30 : 0)));
  const high = all.map((score, i) => ({ score, i })).filter(({ score }) => score > 0.4);
  expect(high.length).toBeGreaterThan(0);
  expect(high.every(({ i }) => i >= 1000 && i < 1040)).toBe(true);
});

it('is the same for the same series in another unit', () => {
  const values = series(1500, 5, (i, noise) => 20 + noise + (i % 400 === 0 ? 9 : 0));
  const plain = scores(values);
  for (const factor of [1024, 1 / 1024])
    expect(scores(values.map((value) => value * factor))).toEqual(
      plain.map((score) => expect.closeTo(score, 6)),
    );
});

it('is a number from 0 to 1 for whatever comes', () => {
  const value = fc.oneof(
    fc.double(),
    fc.constantFrom(0, 1, -1, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, Number.NaN),
    fc.integer({ min: -3, max: 3 }),
  );
  const step = fc.oneof(fc.integer({ min: -1e9, max: 1e9 }), fc.constantFrom(0, 1000, 3_600_000));
  fc.assert(
    fc.property(fc.array(fc.tuple(step, value), { minLength: 30, maxLength: 300 }), (points) => {
      const detector = new DriftDetector();
      let timeMs = START;
      for (const [stepMs, one] of points) {
        timeMs += stepMs;
        const score = detector.next(timeMs, one);
        expect(score >= 0 && score <= 1).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

it('a missing value scores 0 and changes nothing', () => {
  const values = series(800, 9, (_, noise) => noise);
  const holes = new DriftDetector();
  const whole = new DriftDetector();
  for (const [i, value] of values.entries()) {
    if (i % 7 === 0) expect(holes.next(START + i * MINUTE + 1, Number.NaN)).toBe(0);
    expect(holes.next(START + i * MINUTE, value)).toBe(whole.next(START + i * MINUTE, value));
  }
});
