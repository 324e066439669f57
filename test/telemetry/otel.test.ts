import { afterEach, expect, test } from 'vitest';
import { newSpanId, newTraceId } from '../../core/ids.ts';
import { silentLog } from '../../core/log.ts';
import { Registry } from '../../telemetry/metrics.ts';
import { otlpEndpoint, startTelemetry } from '../../telemetry/otel.ts';
import { MAX_MESSAGE_SPANS, recordBatch, recordCall, recordRequest, tracing } from '../../telemetry/spans.ts';
import { otlpReceiver } from './otlp-receiver.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function receiver() {
  const it = await otlpReceiver();
  closing.push(it.close);
  return it;
}

const traceparent = (traceId: string, flags = '01'): string => `00-${traceId}-${newSpanId()}-${flags}`;

test('without an endpoint nothing is started', async () => {
  expect(
    await startTelemetry({ serviceName: 'api', messagingSystem: 'kafka', log: silentLog, env: {} }),
  ).toBeNull();
  expect(tracing()).toBe(false);
  expect(otlpEndpoint('http://x:4318/', {})).toBe('http://x:4318');
  expect(otlpEndpoint(undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://y' })).toBe('http://y');
  expect(otlpEndpoint('http://x', { OTEL_SDK_DISABLED: 'true' })).toBeNull();
});

test('call, publish, process and insert share the trace of the call; batches link to their messages', async () => {
  const { url, spans, resources } = await receiver();
  const telemetry = await startTelemetry({
    endpoint: url,
    serviceName: 'toolmeter-up',
    messagingSystem: 'toolmeter',
    log: silentLog,
    env: {},
  });
  const traceId = newTraceId();
  const other = newTraceId();
  const parent = traceparent(traceId);
  const t0 = 1_790_000_000_000;
  recordCall({
    traceparent: parent,
    method: 'tools/call',
    tool: 'echo',
    server: 'everything',
    sessionId: '',
    outcome: 'tool_error',
    startMs: t0,
    durationUs: 1_500,
  });
  const unsampled = traceparent(newTraceId(), '00');
  const traceparents = [parent, traceparent(other), unsampled, 'nonsense'];
  for (const [i, operation] of (['publish', 'process', 'insert'] as const).entries())
    recordBatch({
      operation,
      destination: operation === 'insert' ? 'calls' : 'mcp.calls.raw.v1',
      partition: 3,
      startMs: t0 + 10 * i + 5,
      endMs: t0 + 10 * i + 10,
      count: 4,
      traceparents,
    });
  recordRequest({
    traceparent: parent,
    method: 'GET',
    route: '/v1/spend',
    status: 200,
    startMs: t0,
    endMs: t0 + 7,
  });
  await telemetry?.shutdown();
  expect(tracing()).toBe(false);

  const mine = spans.filter((span) => span.traceId === traceId);
  expect(mine.map((span) => span.name)).toEqual([
    'tools/call echo',
    'publish mcp.calls.raw.v1',
    'process mcp.calls.raw.v1',
    'INSERT calls',
    'GET /v1/spend',
  ]);
  expect(new Set(mine.map((span) => span.parentSpanId))).toEqual(new Set([parent.split('-')[2]]));
  expect(mine[0]).toMatchObject({
    startTimeUnixNano: '1790000000000000000',
    endTimeUnixNano: '1790000000001500000',
    status: { code: 2 },
  });
  const attribute = (index: number, key: string): unknown =>
    Object.values(mine[index]?.attributes.find((entry) => entry.key === key)?.value ?? {})[0];
  expect(attribute(0, 'error.type')).toBe('tool_error');
  expect(attribute(1, 'messaging.destination.partition.id')).toBe('3');
  expect(attribute(3, 'db.collection.name')).toBe('calls');
  expect(attribute(1, 'messaging.system')).toBe('toolmeter');

  const batches = spans.filter((span) => (span.links ?? []).length > 0);
  expect(batches).toHaveLength(3);
  for (const batch of batches) {
    expect(batch.parentSpanId ?? '').toBe('');
    expect(batch.links?.map((link) => link.traceId)).toEqual([traceId, other]);
  }
  expect(spans).toHaveLength(5 + 3 + 3);
  expect(JSON.stringify(resources[0])).toContain('toolmeter-up');
});

test('of a trace that is not sampled nothing is exported; a sampled one is found behind many that are not', async () => {
  const { url, spans } = await receiver();
  const telemetry = await startTelemetry({
    endpoint: url,
    serviceName: 'toolmeter-up',
    messagingSystem: 'kafka',
    log: silentLog,
    env: {},
  });
  const unsampled = Array.from({ length: 100 }, (_, i) => traceparent(newTraceId(), i % 2 ? '00' : '02'));
  const sampled = traceparent(newTraceId(), '03');
  const traceparents = [...unsampled, sampled];
  recordBatch({ operation: 'publish', destination: 't', startMs: 1, endMs: 2, count: 101, traceparents });
  const call = { method: 'ping', tool: '', server: 's', sessionId: '', outcome: 'ok', startMs: 1 };
  recordCall({ ...call, traceparent: unsampled[0] as string, durationUs: 1 });
  const request = { method: 'GET', route: '/v1/spend', status: 500, startMs: 1, endMs: 2 };
  recordRequest({ ...request, traceparent: unsampled[0] });
  recordRequest({ ...request, traceparent: 'nonsense' });
  await telemetry?.shutdown();
  const traceOf = (text: string): string => text.split('-')[1] as string;
  for (const text of unsampled) expect(JSON.stringify(spans)).not.toContain(traceOf(text));
  expect(spans.map(({ name, parentSpanId }) => [name, parentSpanId || null])).toEqual([
    ['publish t', null],
    ['publish t', sampled.split('-')[2]],
    ['GET /v1/spend', null],
  ]);
  expect(spans[0]?.links?.map((link) => link.traceId)).toEqual([traceOf(sampled)]);
});

test('spans of one batch are bounded', async () => {
  const { url, spans } = await receiver();
  const telemetry = await startTelemetry({
    endpoint: url,
    serviceName: 'toolmeter-up',
    messagingSystem: 'toolmeter',
    log: silentLog,
    env: {},
  });
  const traceparents = Array.from({ length: 500 }, () => traceparent(newTraceId()));
  recordBatch({ operation: 'process', destination: 't', startMs: 1, endMs: 2, count: 500, traceparents });
  await telemetry?.shutdown();
  expect(spans).toHaveLength(MAX_MESSAGE_SPANS + 1);
});

test('the registry is exported over OTLP with the numbers that /metrics has', async () => {
  const { url, metrics } = await receiver();
  const registry = new Registry();
  const telemetry = await startTelemetry({
    endpoint: url,
    serviceName: 'toolmeter-up',
    messagingSystem: 'toolmeter',
    registry,
    log: silentLog,
    env: {},
  });
  registry.add('toolmeter.processor.records', { result: 'call' }, 41);
  registry.add('toolmeter.processor.records', { result: 'call' });
  registry.set('toolmeter.processor.lag', { partition: 0 }, 0.5);
  registry.observe('toolmeter.seal.duration', {}, 0.3);
  registry.observe('toolmeter.seal.duration', {}, 99);
  await telemetry?.shutdown();
  const of = (name: string) => metrics.find((metric) => metric.name === name);
  expect(of('toolmeter.processor.records')).toMatchObject({
    unit: '{record}',
    sum: {
      isMonotonic: true,
      dataPoints: [{ asDouble: 42, attributes: [{ key: 'result', value: { stringValue: 'call' } }] }],
    },
  });
  expect(of('toolmeter.processor.lag')?.gauge?.dataPoints[0]?.asDouble).toBe(0.5);
  const histogram = of('toolmeter.seal.duration')?.histogram?.dataPoints[0];
  expect(Number(histogram?.count)).toBe(2);
  expect(histogram?.sum).toBeCloseTo(99.3);
  expect(histogram?.bucketCounts.map(Number)).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
});

test('a receiver that is not there fails nothing', async () => {
  const warnings: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
  const telemetry = await startTelemetry({
    endpoint: 'http://127.0.0.1:9',
    serviceName: 'toolmeter-up',
    messagingSystem: 'toolmeter',
    registry: new Registry(),
    log,
    env: {},
  });
  recordBatch({ operation: 'process', destination: 't', startMs: 1, endMs: 2, count: 1, traceparents: [] });
  await telemetry?.shutdown();
  expect(warnings).not.toHaveLength(0);
  expect(warnings[0]).toMatchObject({ code: 'TM_TELEMETRY' });
});
