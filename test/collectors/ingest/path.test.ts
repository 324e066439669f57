import { afterAll, beforeAll, expect, test } from 'vitest';
import { openOutbox } from '../../../collectors/spool/index.ts';
import { systemClock } from '../../../core/clock.ts';
import { uuidv7 } from '../../../core/ids.ts';
import { silentLog } from '../../../core/log.ts';
import { BATCH, PROCESSOR_GROUP, processor } from '../../../processors/processor.ts';
import { CALLS_RECORD } from '../../../schemas/calls-topic.ts';
import type { MeteredCall } from '../../../schemas/metered-call.ts';
import { fromHeaders, HEADER } from '../../../schemas/record.ts';
import { TOPICS } from '../../../schemas/topics.ts';
import { type TestServer, testBackends } from '../../api/server.ts';
import { eventually } from '../../support/calls-topic.ts';
import { observedCall } from '../../support/events.ts';
import { encodeLine } from '../../support/wire.ts';

let backends: Awaited<ReturnType<typeof testBackends>>;
let server: TestServer;
beforeAll(async () => {
  backends = await testBackends();
  server = await backends.start();
});
afterAll(() => backends.close());

/** Calls on the processed topic. */
async function processed(): Promise<MeteredCall[]> {
  const calls: MeteredCall[] = [];
  for (let partition = 0; partition < 3; partition++)
    for await (const { headers, value } of backends.log.scan(TOPICS.calls, partition))
      if ((headers[HEADER.record] ?? CALLS_RECORD.call) === CALLS_RECORD.call)
        calls.push(JSON.parse(String(value)));
  return calls;
}

test('a spool of a collector posts its calls; each lands under its own number', async () => {
  const outbox = openOutbox({
    home: backends.home,
    destination: { kind: 'http', url: server.url },
    log: silentLog,
  });
  const events = Array.from({ length: 1_200 }, (_, i) => observedCall({ tool: `t${i}` }));
  for (const event of events) outbox.end({ event: () => event });
  await outbox.flush();
  await outbox.close(10_000);
  const records = (await backends.raw()).map(({ headers, value }) =>
    fromHeaders(headers, value ?? Buffer.alloc(0)),
  );
  const numbered = records.filter((record) => !('problem' in record) && record.kind === 'event');
  expect(numbered).toHaveLength(1_200);
  const collector = backends.home.collectorToken.split('_')[1];
  const seqs = numbered.map((record) => {
    if ('problem' in record) throw new Error(record.problem);
    expect(record.at?.collector).toBe(collector);
    expect(record.trusted).toBe(true);
    return record.at?.seq;
  });
  expect(new Set(seqs)).toEqual(new Set(Array.from({ length: 1_200 }, (_, i) => i + 1)));
  expect(records.filter((record) => !('problem' in record) && record.kind === 'end')).toHaveLength(1);
});

test('a retry counts once: numbered or foreign, in one post or in many', async () => {
  const subscription = backends.log.subscribe(
    PROCESSOR_GROUP,
    TOPICS.raw,
    processor({
      stages: [],
      batch: BATCH.embedded,
      admit: { maxAheadMs: 60_000, maxAgeMs: 86_400_000 },
      clock: systemClock,
      log: silentLog,
    }),
    {
      onError: (error) => {
        throw error;
      },
    },
  );
  const at = { collector: '', instance: 'retry', epoch: uuidv7(), lane: 0 };
  const numbered = observedCall({ tool: 'numbered' });
  const foreign = observedCall({ tool: 'foreign' });
  const inCloudEvent = observedCall({ tool: 'cloud' });
  const lines = [
    encodeLine({ kind: 'open', at, trusted: true, value: '' }),
    encodeLine({ kind: 'event', at: { ...at, seq: 1 }, trusted: true, value: JSON.stringify(numbered) }),
  ].join('\n');
  const cloudEvent = JSON.stringify({
    specversion: '1.0',
    type: 't',
    source: '/agent',
    id: '1',
    data: inCloudEvent,
  });
  for (let attempt = 0; attempt < 3; attempt++) {
    expect((await server.post(lines, 'application/x-ndjson')).status).toBe(202);
    expect((await server.post(JSON.stringify([foreign, foreign]), 'application/json')).status).toBe(202);
    expect((await server.post(cloudEvent, 'application/cloudevents+json')).status).toBe(202);
  }
  const last = observedCall({ tool: 'last' });
  for (let i = 0; i < 12; i++)
    await server.post(JSON.stringify({ ...last, event_id: uuidv7() }), 'application/json');
  const calls = await eventually(async () => {
    const all = await processed();
    return all.filter(({ tool }) => tool === 'last').length === 12 && all;
  }, 'the calls processed');
  await subscription.close();
  for (const tool of ['numbered', 'foreign', 'cloud'])
    expect([tool, calls.filter((call) => call.tool === tool).length]).toEqual([tool, 1]);
  // Whose token it came by, numbered or not: rules and audits go by it.
  const collector = backends.home.collectorToken.split('_')[1];
  for (const call of calls) expect([call.tool, call.collector]).toEqual([call.tool, collector]);
  expect(calls.find(({ tool }) => tool === 'numbered')).toMatchObject({
    seq: 1,
    instance: 'retry',
    trusted: true,
  });
});
