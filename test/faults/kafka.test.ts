import { describe, expect, it } from 'vitest';
import { startKafkaOrSkip } from '../support/kafka/index.ts';
import { kafkaFaults } from './kafka.ts';
import { isWhole } from './tally.ts';

const kafka = await startKafkaOrSkip();

describe.skipIf(kafka === null)('SIGKILL of processor, sink and broker in turn, on Kafka', () => {
  it('loses nothing, counts nothing twice, and the ledger has no hole', { timeout: 600_000 }, async () => {
    const result = await kafkaFaults(
      { calls: 3_000, kills: 4, perSecond: 250, seed: 11, report: () => {} },
      kafka ?? undefined,
    );
    expect(result.kills).toBe(4);
    expect(result.committed).toBe(3_000);
    expect(isWhole(result), JSON.stringify(result)).toBe(true);
  });
});
