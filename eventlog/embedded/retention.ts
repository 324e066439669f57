import type { Tables, TopicInfo } from './tables.ts';
import type { Writer } from './writer.ts';

/** Records dropped in one transaction: it must not make writers wait. */
const STEP = 5_000;
/** Tombstones stay this long, so that a reader that follows a compacted topic sees them (Kafka's `delete.retention.ms`). */
const TOMBSTONES_MS = 86_400_000;

/** Drops what is older than its topic keeps. The file doesn't shrink, its free pages are used again. */
export async function sweep(tables: Tables, writer: Writer, nowMs: number): Promise<void> {
  for (const topic of tables.reload()) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      if (topic.cleanup === 'compact')
        await writer.write(0, () => tables.dropTombstones(topic, partition, nowMs - TOMBSTONES_MS));
      else await trimBefore(tables, writer, topic, partition, nowMs - topic.retentionMs);
    }
  }
}

async function trimBefore(
  tables: Tables,
  writer: Writer,
  topic: TopicInfo,
  partition: number,
  beforeMs: number,
): Promise<void> {
  const { low, high } = tables.bounds(topic, partition);
  const keep = firstAtOrAfter((offset) => tables.timeAt(topic, partition, offset), low, high, beforeMs);
  for (let next = Math.min(low + STEP, keep); next > low && next <= keep; ) {
    const until = next;
    await writer.write(0, () => tables.trim(topic, partition, until));
    if (until === keep) return;
    next = Math.min(until + STEP, keep);
  }
}

/** The first offset in [low, high] from which on times are at or after `ms`: times never decrease, so it is bisected. */
export function firstAtOrAfter(
  timeAt: (offset: number) => number | undefined,
  low: number,
  high: number,
  ms: number,
): number {
  let from = low;
  let to = high;
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if ((timeAt(middle) ?? Number.POSITIVE_INFINITY) < ms) from = middle + 1;
    else to = middle;
  }
  return from;
}
