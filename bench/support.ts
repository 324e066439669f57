import { cpus, platform, totalmem } from 'node:os';
import { table } from '../cli/table.ts';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The value that a share of all values does not exceed (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] as number;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export interface BenchReport {
  readonly name: string;
  readonly rows: readonly (Spread & { readonly measure: string })[];
  /** What is compared from run to run. */
  readonly metrics: Record<string, number>;
  readonly conditions: Record<string, string | number | boolean>;
  /** Also print one JSON object, as the last line. */
  readonly json: boolean;
}

/** The machine, as every report names it. */
export function conditions(): Record<string, string | number> {
  return {
    node: process.version,
    platform: platform(),
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memory_gb: Math.round(totalmem() / 2 ** 30),
  };
}

export function emit({ name, rows, metrics, conditions, json }: BenchReport): void {
  const number = (value: number): string =>
    Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
  process.stdout.write(
    `\n${name}\n${table(rows, [
      { title: 'measure', value: (row) => row.measure },
      { title: 'median', value: (row) => number(row.median), right: true },
      { title: 'least', value: (row) => number(row.min), right: true },
      { title: 'most', value: (row) => number(row.max), right: true },
    ])}\n${Object.entries(conditions)
      .map(([key, value]) => `${key}: ${value}`)
      .join(', ')}\n`,
  );
  if (json) process.stdout.write(`${JSON.stringify({ name, metrics, conditions })}\n`);
}
