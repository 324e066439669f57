import { type Metric, type MetricName, specOf } from './metric-table.ts';
import type { HistogramValue, Snapshot } from './metrics.ts';

/** Content type of the text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const UNIT_SUFFIX: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };

/**
 * A metric's name in Prometheus, by OpenTelemetry's rules for it: dots become underscores, the unit is a suffix unless
 * it is an annotation, counters end with `_total`.
 */
export function prometheusName(name: MetricName): string {
  const { kind, unit } = specOf(name);
  const suffix = UNIT_SUFFIX[unit];
  const base = name.replaceAll('.', '_');
  const withUnit = suffix === undefined || base.endsWith(`_${suffix}`) ? base : `${base}_${suffix}`;
  return kind === 'counter' ? `${withUnit}_total` : withUnit;
}

/** The text that `GET /metrics` answers. */
export function prometheusText(snapshot: Snapshot): string {
  const lines: string[] = [];
  for (const { name, points } of snapshot.metrics) {
    const spec = specOf(name);
    const exposed = prometheusName(name);
    lines.push(`# HELP ${exposed} ${escapeHelp(spec.help)}`, `# TYPE ${exposed} ${spec.kind}`);
    for (const { labels, value } of points) {
      if (typeof value === 'number') lines.push(`${exposed}${labelText(spec, labels)} ${numberText(value)}`);
      else pushHistogram(lines, exposed, spec, labels, value);
    }
  }
  return `${lines.join('\n')}\n`;
}

function pushHistogram(
  lines: string[],
  name: string,
  spec: Metric,
  labels: readonly string[],
  value: HistogramValue,
): void {
  let cumulative = 0;
  for (const [i, bound] of [...(spec.bounds ?? []), Number.POSITIVE_INFINITY].entries()) {
    cumulative += value.counts[i] ?? 0;
    lines.push(`${name}_bucket${labelText(spec, labels, `le="${numberText(bound)}"`)} ${cumulative}`);
  }
  lines.push(`${name}_sum${labelText(spec, labels)} ${numberText(value.sum)}`);
  lines.push(`${name}_count${labelText(spec, labels)} ${value.count}`);
}

function labelText(spec: Metric, values: readonly string[], extra?: string): string {
  const pairs = spec.labels.map(
    (label, i) => `${label.replaceAll('.', '_')}="${escapeLabel(values[i] ?? '')}"`,
  );
  if (extra !== undefined) pairs.push(extra);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');
