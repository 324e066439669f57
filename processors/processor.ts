import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { isSampled, traceFlags } from '../core/traceparent.ts';
import type { LogRecord, NewRecord, OwnedPartition, PartitionHandler } from '../eventlog/port.ts';
import type { MeteredCall } from '../schemas/metered-call.ts';
import { fromHeaders } from '../schemas/record.ts';
import { TOPICS } from '../schemas/topics.ts';
import { type AdmitOptions, admit } from './admit.ts';
import { LaneStates } from './dedupe/index.ts';
import { callRecord, completenessRecord, deadLetterRecord, tickRecord } from './outputs.ts';
import { runPipeline } from './pipeline.ts';
import { rowOf } from './row.ts';
import type { Dead, Item, Stage } from './stage.ts';

/** Group that turns raw records into calls. */
export const PROCESSOR_GROUP = 'toolmeter-processors';

/** Longest pause between two ticks of a partition: time moves in the log even when nobody calls. */
export const TICK_MS = 20_000;
/** How often the ledger of a busy lane is published. */
const LEDGER_MS = 2_000;
/**
 * A batch, one transaction, by the kind of log: on Kafka a transaction has its price whatever is in it (1,000
 * records at a time were half as many a second), in the embedded log it is memory that costs.
 */
export const BATCH = {
  embedded: { maxRecords: 1_000, maxBytes: 2 * 1024 * 1024 },
  kafka: { maxRecords: 4_000, maxBytes: 8 * 1024 * 1024 },
} as const;
/** Records that go through the stages together: few enough for what is made of them to die young. */
const CHUNK = 200;
/** Longest wait for a batch's first record. */
const WAIT_MS = 500;

/** Calls of a batch that are told of for their traces. */
const MAX_TRACED = 32;

/** A call of a batch whose trace is sampled. */
export interface TracedCall {
  readonly traceparent: string;
  readonly call: MeteredCall;
}

/** What happened to a batch, for metrics. */
export interface BatchReport {
  readonly partition: number;
  readonly read: number;
  readonly calls: number;
  readonly duplicates: number;
  readonly dead: number;
  readonly millis: number;
  /** Some of its calls, for their spans. */
  readonly traced: readonly TracedCall[];
  /** How long the batch's oldest record waited in the log, milliseconds. */
  readonly lagMs: number;
}

export interface ProcessorOptions {
  readonly stages: readonly Stage[];
  readonly admit: AdmitOptions;
  /** Largest batch. */
  readonly batch: { readonly maxRecords: number; readonly maxBytes: number };
  readonly clock: Clock;
  readonly log: Log;
  readonly onBatch?: (report: BatchReport) => void;
}

/**
 * Raw partition i → calls, state and dead letters of partition i: one transaction a batch, with the position. When
 * a transaction fails, the handler rejects, and whoever acquires the partition next rebuilds the state from the log:
 * nothing half done is carried on.
 */
export function processor(options: ProcessorOptions): PartitionHandler {
  return async (partition) => {
    const lanes = new LaneStates();
    for await (const { key, value } of partition.readCompacted(TOPICS.state)) lanes.load(key, value);
    const committed = await partition.committed();
    let next = committed?.offset ?? 0n;
    let tickedAt = 0;
    let ledgerAt = 0;

    while (!partition.signal.aborted) {
      const records = await partition.read(next, { ...options.batch, waitMs: WAIT_MS });
      const nowMs = options.clock.nowMs();
      const outputs: NewRecord[] = [];
      if (records.length > 0) {
        next = (records.at(-1) as LogRecord).offset + 1n;
        // Not as an argument of `onBatch?.()`: those are not evaluated where nobody listens.
        const report = await processBatch(partition, records, lanes, outputs, options, nowMs);
        options.onBatch?.(report);
      }
      if (records.length === 0 || nowMs - ledgerAt >= LEDGER_MS) {
        ledgerAt = nowMs;
        for (const row of lanes.takeLedger()) outputs.push(completenessRecord(row, partition.partition));
      }
      for (const { key, value } of lanes.takeDirty()) {
        outputs.push({ topic: TOPICS.state, partition: partition.partition, key, value });
      }
      if (nowMs - tickedAt >= TICK_MS) {
        tickedAt = nowMs;
        outputs.push(tickRecord(partition.partition, nowMs));
      }
      if (outputs.length === 0 && records.length === 0) continue;
      await partition.transact(outputs, { offset: next, metadata: '' });
    }
  };
}

type SourcedItem = Item & { readonly source: LogRecord };

/** Decides about each record of a batch, in order, and appends what becomes of it to `outputs`. */
async function processBatch(
  partition: OwnedPartition,
  records: readonly LogRecord[],
  lanes: LaneStates,
  outputs: NewRecord[],
  options: ProcessorOptions,
  nowMs: number,
): Promise<BatchReport> {
  const begun = performance.now();
  const traced: TracedCall[] = [];
  let calls = 0;
  let duplicates = 0;
  let dead = 0;

  const bury = (source: LogRecord, reason: Dead): void => {
    dead++;
    outputs.push(deadLetterRecord(source, partition.partition, reason));
  };

  const decide = (source: LogRecord): SourcedItem | null => {
    const record = fromHeaders(source.headers, source.value ?? Buffer.alloc(0));
    if ('problem' in record) {
      bury(source, {
        code: 'TM_RECORD_HEADERS',
        message: record.problem,
        hint: 'Publish through a collector of this version.',
      });
      return null;
    }
    const verdict = lanes.check(record, source.appendedAtMs);
    if (verdict.kind === 'duplicate') duplicates++;
    if (verdict.kind === 'dead') bury(source, verdict.dead);
    if (verdict.kind !== 'accept') return null;
    const event = admit(record, source.appendedAtMs, options.admit);
    if ('dead' in event) {
      lanes.markDead(record);
      bury(source, event.dead);
      return null;
    }
    return {
      record,
      event,
      rawOffset: source.offset,
      appendedAtMs: source.appendedAtMs,
      row: rowOf(event, record, source.offset),
      source,
    };
  };

  for (let first = 0; first < records.length; first += CHUNK) {
    const items: SourcedItem[] = [];
    for (const source of records.slice(first, first + CHUNK)) {
      const item = decide(source);
      if (item !== null) items.push(item);
    }
    await runPipeline(options.stages, items, { log: options.log });
    for (const item of items) {
      if (item.dead !== undefined) {
        lanes.markDead(item.record);
        bury(item.source, item.dead);
        continue;
      }
      calls++;
      const traceparent = item.event.kind === 'call' ? item.event.trace?.traceparent : undefined;
      outputs.push(callRecord(item.row, partition.partition, traceparent && traceFlags(traceparent)));
      if (traceparent !== undefined && traced.length < MAX_TRACED && isSampled(traceparent))
        traced.push({ traceparent, call: item.row });
    }
  }
  return {
    partition: partition.partition,
    read: records.length,
    calls,
    duplicates,
    dead,
    millis: performance.now() - begun,
    traced,
    lagMs: Math.max(0, nowMs - (records[0]?.appendedAtMs ?? nowMs)),
  };
}
