import { describe, expect, it } from 'vitest';
import { embeddedFaults } from './embedded.ts';

describe('SIGKILL at random moments, embedded', () => {
  it('loses nothing, counts nothing twice, and the ledger has no hole', { timeout: 300_000 }, async () => {
    const result = await embeddedFaults({
      calls: 4_000,
      kills: 5,
      perSecond: 1_000,
      seed: 7,
      report: () => {},
    });
    expect(result).toMatchObject({ kills: 5, lost: 0, invented: 0, missing: 0, dead: 0 });
    expect(result.committed).toBeGreaterThan(3_000);
    expect(result.rows).toBe(result.distinct);
    expect(result.ledgerLanded).toBe(result.rows);
    expect(result.costUsd).toBe(result.expectedCostUsd);
    expect(result.rollupCalls).toBe(result.rows);
    expect(result.rollupCostUsd).toBe(result.expectedCostUsd);
  });
});
