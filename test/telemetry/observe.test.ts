import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../core/log.ts';
import { registry } from '../../telemetry/metrics.ts';
import { observeInserted, observeProcessed } from '../../telemetry/observe.ts';
import { startTelemetry, type Telemetry } from '../../telemetry/otel.ts';
import { prometheusText } from '../../telemetry/prometheus.ts';
import { meteredCall } from '../support/calls-topic.ts';
import { otlpReceiver } from './otlp-receiver.ts';

let telemetry: Telemetry | null = null;
afterEach(async () => {
  await telemetry?.shutdown();
});

test('a batch of the processors and its insert are counted, and in the trace of the call', async () => {
  const receiver = await otlpReceiver();
  telemetry = await startTelemetry({
    endpoint: receiver.url,
    serviceName: 'toolmeter-up',
    messagingSystem: 'kafka',
    log: silentLog,
    env: {},
  });
  const [trace, span] = ['a'.repeat(32), 'b'.repeat(16)];
  const call = meteredCall(0, { trace_id: trace, span_id: span, outcome: 'timeout' });
  const traceparents = [`00-${trace}-${span}-01`];
  observeProcessed(
    {
      partition: 4,
      read: 10,
      calls: 7,
      duplicates: 2,
      dead: 1,
      millis: 20,
      lagMs: 1500,
      traced: [{ traceparent: traceparents[0] as string, call }],
    },
    1_790_000_000_000,
  );
  const range = { table: 'calls', partition: 4, rows: 7, recordedAtMs: 1_000, committedAtMs: 1_250 };
  observeInserted(range);
  observeInserted({ ...range, insertedFromMs: 1_100, traceparents });
  await telemetry?.shutdown();
  await receiver.close();
  const names = receiver.spans.filter(({ traceId }) => traceId === trace).map(({ name }) => name);
  expect(names.sort()).toEqual(['INSERT calls', 'process mcp.calls.raw.v1', 'tools/call search']);
  const text = prometheusText(registry.snapshot());
  for (const line of [
    'toolmeter_processor_records_total{result="call"} 7',
    'toolmeter_processor_records_total{result="duplicate"} 2',
    'toolmeter_processor_records_total{result="dead"} 1',
    'toolmeter_processor_lag_seconds{partition="4"} 1.5',
    'toolmeter_sink_rows_total{table="calls"} 14',
    'toolmeter_sink_lag_seconds{partition="4"} 0.25',
    'toolmeter_sink_insert_duration_seconds_count 1',
  ])
    expect(text).toContain(`${line}\n`);
});
