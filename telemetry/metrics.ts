import { type LabelsOf, METRICS, type MetricName, type NamesOf, specOf } from './metric-table.ts';

/** A histogram's counts: one more than there are bounds, not cumulative. */
export interface HistogramValue {
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** One series. `labels` are the values of the metric's labels, in the table's order. */
export interface Point {
  readonly labels: readonly string[];
  readonly value: number | HistogramValue;
}

/** All series of a registry: plain data, so that a thread can hand it to another. */
export interface Snapshot {
  /** When counting began, Unix ms. */
  readonly startMs: number;
  readonly metrics: readonly { readonly name: MetricName; readonly points: readonly Point[] }[];
}

/** Series a metric; what is beyond is counted in one series whose labels read `overflow`. */
export const MAX_SERIES = 2_000;

type Cell = { labels: readonly string[]; value: number; counts: number[] | null; sum: number };

/**
 * The numbers of one thread. `add`, `total`, `set` and `observe` are typed by the table: a wrong name, kind or label does not
 * compile. Snapshots of other threads are taken in by `absorb`.
 */
export class Registry {
  readonly #startMs: number;
  readonly #series = new Map<MetricName, Map<string, Cell>>();
  readonly #absorbed = new Map<string, Snapshot>();
  readonly #collectors = new Set<() => void>();

  constructor(startMs = Date.now()) {
    this.#startMs = startMs;
  }

  add<N extends NamesOf<'counter'>>(name: N, labels: LabelsOf<N>, by = 1): void {
    this.#cell(name, labels).value += by;
  }

  /** Sets a counter whose total somebody else keeps. */
  total<N extends NamesOf<'counter'>>(name: N, labels: LabelsOf<N>, total: number): void {
    this.#cell(name, labels).value = total;
  }

  set<N extends NamesOf<'gauge'>>(name: N, labels: LabelsOf<N>, value: number): void {
    this.#cell(name, labels).value = value;
  }

  observe<N extends NamesOf<'histogram'>>(name: N, labels: LabelsOf<N>, value: number): void {
    const cell = this.#cell(name, labels);
    const bounds = specOf(name).bounds ?? [];
    cell.counts ??= new Array(bounds.length + 1).fill(0);
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    cell.counts[bucket] = (cell.counts[bucket] as number) + 1;
    cell.value++;
    cell.sum += value;
  }

  /** Calls `read` before each snapshot: for numbers that are read, not told. Returns how to stop. */
  onCollect(read: () => void): () => void {
    this.#collectors.add(read);
    return () => this.#collectors.delete(read);
  }

  /** Takes in another thread's snapshot, in place of the one it sent before. */
  absorb(source: string, snapshot: Snapshot): void {
    this.#absorbed.set(source, snapshot);
  }

  /**
   * Every series, in the table's order. Counters and histograms of absorbed snapshots are added to ours; of a gauge
   * that two have, the one absorbed last stands.
   */
  snapshot(): Snapshot {
    for (const read of this.#collectors) read();
    const metrics: Snapshot['metrics'][number][] = [];
    for (const name of Object.keys(METRICS) as MetricName[]) {
      const merged = new Map<string, Point>();
      for (const [key, cell] of this.#series.get(name) ?? []) merged.set(key, toPoint(cell));
      for (const other of this.#absorbed.values()) {
        for (const point of other.metrics.find((metric) => metric.name === name)?.points ?? []) {
          const key = keyOf(point.labels);
          const ours = merged.get(key);
          merged.set(key, ours === undefined || specOf(name).kind === 'gauge' ? point : sum(ours, point));
        }
      }
      if (merged.size > 0) metrics.push({ name, points: [...merged.values()] });
    }
    return { startMs: this.#startMs, metrics };
  }

  #cell<N extends MetricName>(name: N, labels: LabelsOf<N>): Cell {
    const values = specOf(name).labels.map((label) => String(labels[label as keyof typeof labels]));
    let series = this.#series.get(name);
    if (series === undefined) {
      series = new Map();
      this.#series.set(name, series);
    }
    let key = keyOf(values);
    let cell = series.get(key);
    if (cell !== undefined) return cell;
    const full = series.size >= MAX_SERIES;
    const stored = full ? values.map(() => 'overflow') : values;
    key = keyOf(stored);
    cell = series.get(key);
    if (cell === undefined) {
      cell = { labels: stored, value: 0, counts: null, sum: 0 };
      series.set(key, cell);
    }
    return cell;
  }
}

const keyOf = (labels: readonly string[]): string => labels.join('\u0000');

function toPoint({ labels, value, counts, sum }: Cell): Point {
  return { labels, value: counts === null ? value : { counts: [...counts], sum, count: value } };
}

function sum(a: Point, b: Point): Point {
  if (typeof a.value === 'number' || typeof b.value === 'number')
    return { labels: a.labels, value: Number(a.value) + Number(b.value) };
  const right = b.value;
  return {
    labels: a.labels,
    value: {
      counts: a.value.counts.map((n, i) => n + (right.counts[i] ?? 0)),
      sum: a.value.sum + right.sum,
      count: a.value.count + right.count,
    },
  };
}

/** The registry of this thread. */
export const registry = new Registry();
