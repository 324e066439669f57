import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { mendRequestQueue } from '../../eventlog/kafka/request-queue.ts';

interface Queue {
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  push(request: object): void;
  fulfillRequest(answer: { correlationId: number; payload: Buffer; size: number }): void;
  maybeThrottle(ms: number): void;
  destroy(): void;
}

const QUEUE = 'kafkajs/src/network/requestQueue/index.js';

function makeQueue(maxInFlightRequests: number) {
  const RequestQueue = createRequire(import.meta.url)(QUEUE) as new (options: object) => Queue;
  const logger = { debug: () => {}, warn: () => {} };
  const options = {
    maxInFlightRequests,
    requestTimeout: 30_000,
    enforceRequestTimeout: false,
    clientId: 'c',
    broker: 'b',
    logger,
    isConnected: () => true,
  };
  const queue = new RequestQueue(options);
  const sent: number[] = [];
  const push = (correlationId: number): void =>
    queue.push({
      entry: {
        correlationId,
        broker: 'b',
        clientId: 'c',
        apiName: 'Fetch',
        apiKey: 1,
        apiVersion: 1,
        resolve() {},
        reject() {},
      },
      expectResponse: true,
      sendRequest: () => sent.push(correlationId),
    });
  const answer = (correlationId: number): void =>
    queue.fulfillRequest({ correlationId, payload: Buffer.alloc(0), size: 0 });
  return { queue, sent, push, answer };
}

describe("kafkajs' request queue", () => {
  test('sets no timer where nothing waits; what waits goes out when its turn comes', async () => {
    mendRequestQueue();
    mendRequestQueue();
    const { queue, sent, push, answer } = makeQueue(1);
    push(1);
    push(2);
    expect(sent).toEqual([1]);
    answer(1);
    expect(sent).toEqual([1, 2]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    answer(2);
    expect(queue.throttleCheckTimeoutId).toBeNull();

    queue.maybeThrottle(40);
    push(3);
    expect(sent).toEqual([1, 2]);
    await expect.poll(() => sent, { timeout: 5_000, interval: 5 }).toEqual([1, 2, 3]);
    answer(3);
    expect(queue.throttleCheckTimeoutId).toBeNull();
    queue.destroy();
  });

  /** Node warns once a process: a process of its own, as it is and mended. */
  test.each([
    [false, true],
    [true, false],
  ])('mended: %s, negative timeout: %s', (mend, warned) => {
    const module = fileURLToPath(new URL('../../eventlog/kafka/request-queue.ts', import.meta.url));
    const script = `
      if (${mend}) (await import(${JSON.stringify(module)})).mendRequestQueue();
      const { createRequire } = await import('node:module');
      const Queue = createRequire(${JSON.stringify(module)})(${JSON.stringify(QUEUE)});
      let warned = false;
      process.on('warning', ({ name }) => { warned ||= name === 'TimeoutNegativeWarning'; });
      const queue = new Queue({ maxInFlightRequests: 1, requestTimeout: 1000, logger: { debug() {}, warn() {} } });
      queue.checkPendingRequests();
      await new Promise((resolve) => setTimeout(resolve, 20));
      queue.destroy();
      console.log(warned);`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(output.trim()).toBe(String(warned));
  });
});
