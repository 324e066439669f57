import type { HrTime } from '@opentelemetry/api';
import type { MetricData, MetricProducer } from '@opentelemetry/sdk-metrics';
import { specOf } from './metric-table.ts';
import type { Point, Registry, Snapshot } from './metrics.ts';

type SdkMetrics = typeof import('@opentelemetry/sdk-metrics');

const hrTime = (ms: number): HrTime => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];

/**
 * The registry as a source of OpenTelemetry metrics: what is exported over OTLP is the same snapshot that `/metrics`
 * prints, cumulative from the registry's start.
 */
export function metricProducer(
  registry: Registry,
  sdk: SdkMetrics,
  resource: Awaited<ReturnType<MetricProducer['collect']>>['resourceMetrics']['resource'],
  nowMs: () => number,
): MetricProducer {
  return {
    collect: async () => ({
      resourceMetrics: {
        resource,
        scopeMetrics: [{ scope: { name: 'toolmeter' }, metrics: toOtel(registry.snapshot(), nowMs(), sdk) }],
      },
      errors: [],
    }),
  };
}

export function toOtel(snapshot: Snapshot, nowMs: number, sdk: SdkMetrics): MetricData[] {
  const startTime = hrTime(snapshot.startMs);
  const endTime = hrTime(nowMs);
  return snapshot.metrics.map(({ name, points }): MetricData => {
    const spec = specOf(name);
    const head = {
      // ValueType.DOUBLE; the API's enum is a value, and this module loads without it.
      descriptor: { name, description: spec.help, unit: spec.unit, valueType: 1 },
      aggregationTemporality: sdk.AggregationTemporality.CUMULATIVE,
    };
    const place = ({ labels }: Point) => ({
      startTime,
      endTime,
      attributes: Object.fromEntries(spec.labels.map((label, i) => [label, labels[i] ?? ''])),
    });
    if (spec.kind === 'histogram') {
      return {
        ...head,
        dataPointType: sdk.DataPointType.HISTOGRAM,
        dataPoints: points.flatMap((point) =>
          typeof point.value === 'number'
            ? []
            : [
                {
                  ...place(point),
                  value: {
                    buckets: { boundaries: [...(spec.bounds ?? [])], counts: [...point.value.counts] },
                    sum: point.value.sum,
                    count: point.value.count,
                  },
                },
              ],
        ),
      };
    }
    const dataPoints = points.map((point) => ({ ...place(point), value: Number(point.value) }));
    return spec.kind === 'counter'
      ? { ...head, dataPointType: sdk.DataPointType.SUM, isMonotonic: true, dataPoints }
      : { ...head, dataPointType: sdk.DataPointType.GAUGE, dataPoints };
  });
}
