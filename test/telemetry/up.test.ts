import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newSpanId, newTraceId } from '../../core/ids.ts';
import { openEmbeddedLog } from '../../eventlog/embedded/index.ts';
import type { ObservedCall } from '../../schemas/call-event.ts';
import { HEADER } from '../../schemas/record.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { eventually } from '../support/calls-topic.ts';
import { observedCall } from '../support/events.ts';
import { freePort, scratchFolder, startToolmeter, untilReady } from '../support/toolmeter.ts';
import { otlpReceiver } from './otlp-receiver.ts';

test('toolmeter up: call, publish, process and insert come out in the one trace of the call, and metrics with them', async () => {
  const receiver = await otlpReceiver();
  const home = scratchFolder();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = startToolmeter(['up'], {
    TOOLMETER_HOME: home.path,
    TOOLMETER_API_PORT: String(port),
    TOOLMETER_TELEMETRY_OTLP_ENDPOINT: receiver.url,
  });
  try {
    await untilReady(url, running);
    const token = readFileSync(join(home.path, 'collector-token'), 'utf8').trim();
    const traceId = newTraceId();
    const parentSpan = newSpanId();
    const event = observedCall({ trace: { traceparent: `00-${traceId}-${parentSpan}-01` } });
    const secret = 'ada-4711@example.com';
    event.arguments.text = JSON.stringify({ message: secret });
    const unsampled = observedCall({ trace: { traceparent: `00-${newTraceId()}-${newSpanId()}-00` } });
    const post = async (...events: ObservedCall[]): Promise<void> => {
      const posted = await fetch(`${url}/v1/events`, {
        method: 'POST',
        body: JSON.stringify(events),
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      });
      expect(posted.status).toBe(202);
      for (const { event_id } of events)
        await eventually(
          async () => (await fetch(`${url}/v1/calls/${event_id}`)).status === 200,
          `the call in the API; output:\n${running.output()}`,
          30_000,
        );
    };
    await post(unsampled, event);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('toolmeter_ingest_records_total{format="json",result="accepted"} 2\n');
    expect(metrics).toContain('toolmeter_processor_records_total{result="call"} 2\n');
    expect(metrics).toMatch(/toolmeter_sink_rows_total\{table="calls"\} 2\n/);
    // Of this one the threads are not asked before the end.
    await post(observedCall());
    await running.kill('SIGTERM');

    const log = await openEmbeddedLog({ path: join(home.path, 'log.sqlite') });
    const forwarded: (string | undefined)[] = [];
    for await (const { headers } of log.scan(TOPICS.calls, 0)) forwarded.push(headers[HEADER.traceparent]);
    await log.close();
    expect(forwarded).toEqual(
      expect.arrayContaining([unsampled.trace?.traceparent, event.trace?.traceparent]),
    );

    const names = receiver.spans.filter((span) => span.traceId === traceId).map((span) => span.name);
    expect(names.sort()).toEqual([
      'INSERT calls',
      'process mcp.calls.raw.v1',
      'publish mcp.calls.raw.v1',
      'tools/call echo',
    ]);
    for (const span of receiver.spans.filter((span) => span.traceId === traceId))
      expect(span.parentSpanId).toBe(parentSpan);
    expect(JSON.stringify(receiver.spans)).not.toContain(unsampled.trace?.traceparent.slice(3, 35));
    const records = receiver.metrics.filter(({ name }) => name === 'toolmeter.processor.records').at(-1);
    expect(records?.sum?.dataPoints.map(({ asDouble }) => asDouble)).toEqual([3, 0, 0]);
    expect(JSON.stringify(receiver.spans) + running.output()).not.toContain(secret);
  } finally {
    await running.kill();
    await receiver.close();
    home.remove();
  }
}, 180_000);
