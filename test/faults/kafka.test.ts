import { describe, expect, it } from 'vitest';
import { startKafkaOrSkip } from '../support/kafka/index.ts';
import { kafkaFaults } from './kafka.ts';
import { isWhole } from './tally.ts';

const kafka = await startKafkaOrSkip();

describe.skipIf(kafka === null)('SIGKILL of processor, sink and broker in turn, on Kafka', () => {
  it('loses nothing, counts nothing twice, and the ledger has no hole', { timeout: 400_000 }, async () => {
    const told: string[] = [];
    const options = { calls: 3_000, kills: 4, perSecond: 250, seed: 11 };
    const result = await kafkaFaults({ ...options, report: (line) => told.push(line) }, kafka!);
    expect(result.committed).toBe(3_000);
    expect(isWhole(result), told.join('\n')).toBe(true);
  });
});
