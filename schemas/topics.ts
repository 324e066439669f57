/**
 * The log's topics. State, dead letters and calls go, by explicit number, to the same partition as their input, so
 * the four have equal counts.
 */
export const TOPICS = {
  raw: 'mcp.calls.raw.v1',
  calls: 'mcp.calls.v1',
  state: 'mcp.state.v1',
  dlq: 'mcp.dlq.v1',
  alerts: 'mcp.alerts.v1',
} as const;
export type Topic = (typeof TOPICS)[keyof typeof TOPICS];

/** Largest raw record, key + headers + value, in bytes: Kafka's default `max.message.bytes` less its overhead. */
export const RAW_MAX_BYTES = 1_000_000;
/** What processing may add to a record. */
export const PROCESSED_MAX_BYTES = RAW_MAX_BYTES + 256 * 1024;

export interface TopicSpec {
  readonly name: Topic;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  /** Milliseconds; ignored for compacted topics. */
  readonly retentionMs: number;
  readonly maxRecordBytes: number;
  /** Who stamps a record's time: its producer, or the log when it appends. */
  readonly timestamp: 'CreateTime' | 'LogAppendTime';
}

const DAY_MS = 86_400_000;

/** Every topic with its settings, for a count of partitions. */
export function topicSpecs(
  partitions: number,
  retentionMs = { raw: 7 * DAY_MS, calls: 30 * DAY_MS, dlq: 90 * DAY_MS },
): TopicSpec[] {
  const spec = (name: Topic, settings: Partial<TopicSpec>): TopicSpec => ({
    name,
    partitions,
    cleanup: 'delete',
    retentionMs: 7 * DAY_MS,
    maxRecordBytes: PROCESSED_MAX_BYTES,
    timestamp: 'LogAppendTime',
    ...settings,
  });
  return [
    spec(TOPICS.raw, { retentionMs: retentionMs.raw, maxRecordBytes: RAW_MAX_BYTES }),
    spec(TOPICS.calls, { retentionMs: retentionMs.calls }),
    spec(TOPICS.state, { cleanup: 'compact' }),
    spec(TOPICS.dlq, { retentionMs: retentionMs.dlq }),
    spec(TOPICS.alerts, { retentionMs: retentionMs.calls, partitions: 1 }),
  ];
}
