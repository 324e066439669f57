import { describe, expect, it } from 'vitest';
import { embeddedFaults } from './embedded.ts';
import { isWhole } from './tally.ts';

describe('SIGKILL at random moments, embedded', () => {
  it('loses nothing, counts nothing twice, and the ledger has no hole', { timeout: 300_000 }, async () => {
    const result = await embeddedFaults({
      calls: 4_000,
      kills: 5,
      perSecond: 1_000,
      seed: 7,
      report: () => {},
    });
    expect(result.kills).toBe(5);
    expect(result.committed).toBeGreaterThan(3_900);
    expect(isWhole(result), JSON.stringify(result)).toBe(true);
  });
});
