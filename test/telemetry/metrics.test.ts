import { expect, test } from 'vitest';
import { METRICS, type MetricName } from '../../telemetry/metric-table.ts';
import { MAX_SERIES, Registry } from '../../telemetry/metrics.ts';
import { watchProcess } from '../../telemetry/process-metrics.ts';
import { prometheusName, prometheusText } from '../../telemetry/prometheus.ts';

test('counters, gauges and histograms as Prometheus text', () => {
  const registry = new Registry();
  registry.add('toolmeter.ingest.records', { format: 'records', result: 'accepted' }, 500);
  registry.set('toolmeter.ready', { part: 'a "quoted"\\ part\n' }, 1);
  registry.observe('toolmeter.ingest.append.duration', {}, 0.005);
  registry.observe('toolmeter.ingest.append.duration', {}, 0.006);
  registry.observe('toolmeter.ingest.append.duration', {}, 1e9);
  const text = prometheusText(registry.snapshot());
  expect(text).toContain('# TYPE toolmeter_ingest_records_total counter\n');
  expect(text).toContain('toolmeter_ingest_records_total{format="records",result="accepted"} 500\n');
  expect(text).toContain('toolmeter_ready{part="a \\"quoted\\"\\\\ part\\n"} 1\n');
  expect(text).toContain('toolmeter_ingest_append_duration_seconds_bucket{le="0.005"} 1\n');
  expect(text).toContain('toolmeter_ingest_append_duration_seconds_bucket{le="0.01"} 2\n');
  expect(text).toContain('toolmeter_ingest_append_duration_seconds_bucket{le="+Inf"} 3\n');
  expect(text).toContain('toolmeter_ingest_append_duration_seconds_count 3\n');
  expect(text.endsWith('\n')).toBe(true);
});

test('every metric has a name that Prometheus takes, once', () => {
  const names = (Object.keys(METRICS) as MetricName[]).map(prometheusName);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
  expect(prometheusName('toolmeter.ingest.size')).toBe('toolmeter_ingest_size_bytes_total');
  expect(prometheusName('process.uptime')).toBe('process_uptime_seconds');
});

test("threads' numbers are added to ours, each thread's newest snapshot once", () => {
  const main = new Registry();
  const thread = new Registry();
  main.add('toolmeter.processor.records', { result: 'call' }, 1);
  thread.add('toolmeter.processor.records', { result: 'call' }, 10);
  thread.observe('toolmeter.seal.duration', {}, 0.1);
  main.observe('toolmeter.seal.duration', {}, 0.1);
  main.absorb('processor', structuredClone(thread.snapshot()));
  thread.add('toolmeter.processor.records', { result: 'call' }, 5);
  main.absorb('processor', structuredClone(thread.snapshot()));
  const text = prometheusText(main.snapshot());
  expect(text).toContain('toolmeter_processor_records_total{result="call"} 16\n');
  expect(text).toContain('toolmeter_seal_duration_seconds_count 2\n');
  expect(text).toContain('toolmeter_seal_duration_seconds_bucket{le="0.1"} 2\n');
});

test('series are bounded, and nothing is lost by it', () => {
  const registry = new Registry();
  for (let i = 0; i < MAX_SERIES + 50; i++) registry.add('toolmeter.auth.denied', { code: `c${i}` });
  const points = registry.snapshot().metrics[0]?.points ?? [];
  expect(points).toHaveLength(MAX_SERIES + 1);
  expect(points.at(-1)).toEqual({ labels: ['overflow'], value: 50 });
});

test('gauges of the process are read when a snapshot is taken', () => {
  const registry = new Registry();
  const stop = watchProcess(registry);
  expect(prometheusText(registry.snapshot())).toMatch(/process_memory_usage_bytes [1-9]\d{6,}\n/);
  stop();
});
