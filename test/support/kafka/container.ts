import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GenericContainer, Wait } from 'testcontainers';
import type { RunningKafka } from './index.ts';
import { brokerSettings, freePort } from './process.ts';

const IMAGE = 'apache/kafka:4.1.0';
const run = promisify(execFile);

/** Starts one broker in a container, on a loopback port that stays the same when it is killed and started again. */
export async function startContainer(): Promise<RunningKafka> {
  const port = await freePort();
  const settings = brokerSettings(`0.0.0.0:${port}`, 'localhost:9093', `127.0.0.1:${port}`);
  const ready = Wait.forLogMessage(/Kafka Server started/);
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts({ container: port, host: port })
    .withEnvironment({
      CLUSTER_ID: 'dG9vbG1ldGVyLXRlc3RzMA',
      ...Object.fromEntries(
        settings.map((line) => {
          const [name = '', value = ''] = line.split(/=(.*)/s);
          return [`KAFKA_${name.toUpperCase().replaceAll('.', '_')}`, value] as const;
        }),
      ),
    })
    .withWaitStrategy(ready)
    .start();
  const id = container.getId();
  return {
    brokers: [`127.0.0.1:${port}`],
    own: true,
    kill: async () => void (await run('docker', ['kill', id])),
    restart: async () => {
      const since = new Date().toISOString();
      await run('docker', ['start', id]);
      for (let tries = 0; tries < 120; tries++) {
        const { stdout } = await run('docker', ['logs', '--since', since, id]);
        if (stdout.includes('Kafka Server started')) return;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      throw new Error('the broker did not come back');
    },
    stop: async () => void (await container.stop()),
  };
}
