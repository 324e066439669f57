import type { MeteredCall } from '../schemas/metered-call.ts';
import { TOPICS } from '../schemas/topics.ts';
import { registry } from './metrics.ts';
import { recordBatch, recordCall } from './spans.ts';

/** What the processors say of a batch that they have worked on. */
export interface ProcessedBatch {
  readonly partition: number;
  readonly read: number;
  readonly calls: number;
  readonly duplicates: number;
  readonly dead: number;
  readonly millis: number;
  /** How long the batch's oldest record waited in the log, milliseconds. */
  readonly lagMs: number;
  /** Some of its calls, of those whose traces are sampled. */
  readonly traced: readonly { readonly traceparent: string; readonly call: MeteredCall }[];
}

/** Counts a batch of the processors, and writes its spans and those of the calls in it. */
export function observeProcessed(batch: ProcessedBatch, nowMs: number): void {
  registry.add('toolmeter.processor.records', { result: 'call' }, batch.calls);
  registry.add('toolmeter.processor.records', { result: 'duplicate' }, batch.duplicates);
  registry.add('toolmeter.processor.records', { result: 'dead' }, batch.dead);
  registry.observe('toolmeter.processor.batch.duration', {}, batch.millis / 1000);
  registry.set('toolmeter.processor.lag', { partition: batch.partition }, batch.lagMs / 1000);
  recordBatch({
    operation: 'process',
    destination: TOPICS.raw,
    partition: batch.partition,
    startMs: nowMs - batch.millis,
    endMs: nowMs,
    count: batch.read,
    traceparents: batch.traced.map(({ traceparent }) => traceparent),
  });
  for (const { traceparent, call } of batch.traced) {
    recordCall({
      traceparent,
      method: call.method,
      tool: call.tool,
      server: call.server,
      sessionId: call.session_id,
      outcome: call.outcome,
      startMs: Date.parse(call.ts),
      durationUs: call.duration_us,
    });
  }
}

/** What the sink says of a range that is in the table and committed. */
export interface InsertedRange {
  readonly table: string;
  readonly partition: number;
  readonly rows: number;
  /** When the log recorded the range's first row, and when its rows were committed, Unix ms. */
  readonly recordedAtMs: number;
  readonly committedAtMs: number;
  /** When the insert began, Unix ms; absent: not timed, and no spans. */
  readonly insertedFromMs?: number;
  readonly traceparents?: readonly string[];
}

/** Counts an insert, and writes its spans. */
export function observeInserted(range: InsertedRange): void {
  const { table, partition, rows, recordedAtMs, committedAtMs, insertedFromMs, traceparents } = range;
  registry.add('toolmeter.sink.rows', { table }, rows);
  registry.set('toolmeter.sink.lag', { partition }, Math.max(0, committedAtMs - recordedAtMs) / 1000);
  if (insertedFromMs === undefined) return;
  registry.observe('toolmeter.sink.insert.duration', {}, (committedAtMs - insertedFromMs) / 1000);
  recordBatch({
    operation: 'insert',
    destination: table,
    partition,
    startMs: insertedFromMs,
    endMs: committedAtMs,
    count: rows,
    traceparents: traceparents ?? [],
  });
}

/** Counts an attempt of the sink that failed and is made again. */
export function observeRetry(code: string): void {
  registry.add('toolmeter.sink.retries', { code });
}

/** Counts a recorded day that was sealed. */
export function observeSealed({ millis }: { readonly millis: number }): void {
  registry.add('toolmeter.seal.days', {});
  registry.observe('toolmeter.seal.duration', {}, millis / 1000);
}

/** Counts what retention dropped before a group had read it: offsets [from, to). */
export function observeSkipped(skipped: {
  readonly group: string;
  readonly partition: number;
  readonly from: bigint;
  readonly to: bigint;
}): void {
  const { group, partition, from, to } = skipped;
  registry.add('toolmeter.log.skipped', { group, partition }, Number(to - from));
}
