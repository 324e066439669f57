import { z } from 'zod';
import { uuidv7 } from '../../core/ids.ts';
import type { PartitionSchedule } from '../../schemas/partition.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { topicUnknown } from '../errors.ts';
import type { KafkaClient } from './client.ts';
import type { PartitionReader } from './fetch.ts';

/** A small compacted topic of our own: what the cluster must remember about the log. */
export const META_TOPIC = 'mcp.meta.v1';
const KEY = 'log';
const TRANSACTIONAL_ID = 'toolmeter.meta';

const MetaSchema = z.object({
  log_id: z.string().min(1),
  /** True from when the id was made until the topics are there: only then does a missing topic mean a new log. */
  pending: z.boolean(),
  schedule: z.array(z.object({ fromMs: z.number(), partitions: z.int().min(1) })),
});

export interface Meta {
  readonly logId: string;
  readonly pending: boolean;
  readonly schedule: PartitionSchedule;
}

/** What the cluster remembers, or null where it remembers nothing. */
export async function readMeta(reader: PartitionReader): Promise<Meta | null> {
  const { low, high } = await reader.bounds(META_TOPIC, 0);
  let text: string | null = null;
  for await (const records of reader.range(META_TOPIC, 0, { from: low, to: high, compacted: true }))
    for (const { key, value } of records) if (key === KEY) text = value?.toString() ?? null;
  if (text === null) return null;
  const { log_id: logId, pending, schedule } = MetaSchema.parse(JSON.parse(text));
  return { logId, pending, schedule };
}

/** As `readMeta`. @throws ToolmeterError TM_TOPIC_UNKNOWN where there is no log yet. */
export async function requireMeta(reader: PartitionReader): Promise<Meta> {
  const meta = await readMeta(reader);
  if (meta === null) throw topicUnknown(TOPICS.raw);
  return meta;
}

/**
 * Changes what the cluster remembers: `change` gets it and returns what shall be. Of two that do this at the same
 * time, the first to begin is fenced by the second, and throws a fencing error: begin again.
 */
export async function changeMeta(
  client: KafkaClient,
  reader: PartitionReader,
  change: (meta: Meta | null) => Meta,
): Promise<Meta> {
  const producer = client.producer(TRANSACTIONAL_ID);
  try {
    await producer.connect();
    await (await producer.transaction()).abort();
    const before = await readMeta(reader);
    const after = change(before);
    if (JSON.stringify(before) === JSON.stringify(after)) return after;
    const { logId, pending, schedule } = after;
    const value = JSON.stringify({ log_id: logId, pending, schedule });
    const transaction = await producer.transaction();
    try {
      await transaction.send({ topic: META_TOPIC, messages: [{ key: KEY, value, partition: 0 }] });
      await transaction.commit();
    } catch (error) {
      if (transaction.isActive()) await transaction.abort().catch(() => {});
      throw error;
    }
    return after;
  } finally {
    await producer.disconnect();
  }
}

/** The id of a log whose topics are about to be made, or of the one that is there. */
export function logIdFor(meta: Meta | null, topicsMissing: boolean): { logId: string; pending: boolean } {
  if (meta === null || (topicsMissing && !meta.pending)) return { logId: uuidv7(), pending: true };
  return { logId: meta.logId, pending: meta.pending };
}
