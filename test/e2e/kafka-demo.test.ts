import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { startKafkaOrSkip } from '../support/kafka/index.ts';
import { MAIN, scratchFolder } from '../support/toolmeter.ts';

const kafka = await startKafkaOrSkip();

describe.skipIf(kafka === null)('the same program on a real Kafka', () => {
  const scratch = scratchFolder();
  afterAll(async () => {
    scratch.remove();
    await kafka?.stop();
  });

  it('turns the same traffic into the same table', async () => {
    const demo = async (env: Record<string, string>): Promise<string[]> => {
      const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'up', '--demo', '--exit'], {
        cwd: scratch.path,
        env: { ...process.env, ...env, TOOLMETER_API_PORT: '0' },
        timeout: 120_000,
      });
      return stdout.split('\n').filter((line) => /^(Support|Search|Growth|Total)\b/.test(line));
    };
    const embedded = await demo({ KAFKA_BROKERS: '' });
    expect(embedded).toHaveLength(4);
    expect(await demo({ KAFKA_BROKERS: kafka?.brokers.join(',') ?? '' })).toEqual(embedded);
  });
});
