import { describe, expect, it } from 'vitest';
import { createScrubber } from '../../../processors/scrub/index.ts';
import { negatives, positives, score } from '../../support/labelled-text.ts';

const scrubber = createScrubber({ key: { kid: 'k1', secret: new Uint8Array(32).fill(7) } });

describe('the labelled set', () => {
  it('finds what it holds and nothing else, type by type', () => {
    const samples = [...positives(11, 6000), ...negatives(12, 4000)];
    const { scores, mistakes } = score(
      samples,
      ({ text, json }) => (json ? scrubber.json(text) : scrubber.plain(text)).findings,
    );
    expect([...scores.keys()].sort()).toEqual(['card', 'email', 'iban', 'ip', 'phone', 'secret', 'ssn']);
    for (const { type, found, missed, wrong } of scores.values()) {
      const report = `${type}: ${mistakes
        .filter((mistake) => mistake.includes(` ${type}`))
        .slice(0, 5)
        .join('\n')}`;
      expect(found / (found + missed), report).toBeGreaterThanOrEqual(0.995);
      expect(found / (found + wrong), report).toBeGreaterThanOrEqual(0.995);
    }
  });
});
