import type { Admin } from 'kafkajs';
import { TOPICS, type Topic, type TopicSpec } from '../../schemas/topics.ts';
import { growSchedule, partitionTargets } from '../schedule.ts';
import { maxMessageBytes } from './chunks.ts';
import type { KafkaClient } from './client.ts';
import { typeOf } from './errors.ts';
import type { PartitionReader } from './fetch.ts';
import { changeMeta, logIdFor, META_TOPIC } from './meta.ts';

/** kafkajs' ConfigResourceTypes.TOPIC. */
const TOPIC_RESOURCE = 2;
/** `describeConfigs` marks with this what was set for the topic itself. */
const SET_FOR_TOPIC = 1;
const MINUTE_MS = 60_000;

type Settings = Readonly<Record<string, string>>;

const COMPACTED: Settings = {
  'cleanup.policy': 'compact',
  // Only closed segments are compacted; by default they close after a week or 1 GiB, and half of them may be old.
  'segment.ms': String(10 * MINUTE_MS),
  'segment.bytes': String(64 * 1024 * 1024),
  'min.cleanable.dirty.ratio': '0.1',
};

/** A topic's settings on the brokers. */
export function settingsOf(spec: TopicSpec): Settings {
  const common = {
    'max.message.bytes': String(maxMessageBytes(spec.maxRecordBytes)),
    'message.timestamp.type': spec.timestamp,
  };
  if (spec.cleanup === 'compact') return { ...common, ...COMPACTED };
  return {
    ...common,
    'cleanup.policy': 'delete',
    'retention.ms': String(Math.floor(spec.retentionMs)),
    // Retention drops closed segments whole: an eighth of it is how much longer than asked a record may stay.
    'segment.ms': String(
      Math.max(Math.min(10 * MINUTE_MS, spec.retentionMs), Math.floor(spec.retentionMs / 8)),
    ),
  };
}

/**
 * Makes what is missing, brings settings up to date, adds partitions. What the cluster remembers (`meta.ts`) is written
 * before topics are made or grow, so that a crash in between is made good by the next call. Safe to run at the same
 * time by several.
 */
export async function ensureTopics(
  client: KafkaClient,
  reader: PartitionReader,
  specs: readonly TopicSpec[],
  replication: number,
): Promise<void> {
  const admin = client.admin();
  try {
    await admin.connect();
    await ensureTopic(admin, META_TOPIC, 1, { ...COMPACTED }, replication);
    const existing = await partitionCounts(admin);
    const targets = partitionTargets(specs, existing);
    const missing = !existing.has(TOPICS.raw) || !existing.has(TOPICS.calls);
    const raw = targets.get(TOPICS.raw);
    await changeMeta(client, reader, (meta) => {
      const id = logIdFor(meta, missing);
      // A new log has no past: its schedule begins anew.
      const past = meta === null || meta.logId !== id.logId ? [] : meta.schedule;
      return { ...id, schedule: raw === undefined ? past : growSchedule(past, raw, Date.now()) };
    });
    for (const spec of specs)
      await ensureTopic(admin, spec.name, targets.get(spec.name) as number, settingsOf(spec), replication);
    await changeMeta(client, reader, (meta) => {
      if (meta === null) throw new Error(`${META_TOPIC} was emptied by somebody else`);
      return { ...meta, pending: false };
    });
  } finally {
    await admin.disconnect();
  }
}

async function partitionCounts(admin: Admin): Promise<Map<Topic, number>> {
  const names = new Set(await admin.listTopics());
  const ours = Object.values(TOPICS).filter((topic) => names.has(topic));
  if (ours.length === 0) return new Map();
  const { topics } = await admin.fetchTopicMetadata({ topics: ours });
  return new Map(topics.map(({ name, partitions }) => [name as Topic, partitions.length] as const));
}

async function ensureTopic(
  admin: Admin,
  topic: string,
  partitions: number,
  settings: Settings,
  replication: number,
): Promise<void> {
  const names = await admin.listTopics();
  if (!names.includes(topic)) {
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    try {
      // False where another was faster.
      const made = await admin.createTopics({
        waitForLeaders: true,
        topics: [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries }],
      });
      if (made) return;
    } catch (error) {
      if (typeOf(error) !== 'TOPIC_ALREADY_EXISTS') throw error;
    }
  }
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  if ((topics[0]?.partitions.length ?? 0) < partitions)
    await admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] });
  await updateSettings(admin, topic, settings);
}

/** kafkajs can only replace a topic's settings as a whole: those that others made are kept. */
async function updateSettings(admin: Admin, topic: string, settings: Settings): Promise<void> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: TOPIC_RESOURCE, name: topic }],
  });
  const entries = resources[0]?.configEntries ?? [];
  const now = new Map(entries.map(({ configName, configValue }) => [configName, configValue] as const));
  if (Object.entries(settings).every(([name, value]) => now.get(name) === value)) return;
  const others = entries
    .filter(({ configName, configSource }) => configSource === SET_FOR_TOPIC && !(configName in settings))
    .map(({ configName, configValue }) => ({ name: configName, value: configValue }));
  const ours = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: TOPIC_RESOURCE, name: topic, configEntries: [...others, ...ours] }],
  });
}
