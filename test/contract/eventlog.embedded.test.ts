import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect } from 'vitest';
import { openEmbeddedLog } from '../../eventlog/embedded/index.ts';
import { TOPICS, topicSpecs } from '../../schemas/topics.ts';
import { eventLogContract } from './eventlog.ts';

describe('the embedded log', () => {
  const folders: string[] = [];

  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  eventLogContract({
    kills: 10,
    async fresh() {
      const folder = mkdtempSync(join(tmpdir(), 'toolmeter-log-'));
      folders.push(folder);
      return { kind: 'embedded', path: join(folder, 'log.sqlite') };
    },
    async dropBefore(place, topic, partition, offset) {
      if (place.kind !== 'embedded') throw new Error('not an embedded log');
      // Retention goes by time: records from before the offset get old, and a sweep of a log with a later clock
      // drops them.
      const { DatabaseSync } = await import('node:sqlite');
      const db = new DatabaseSync(place.path);
      const { id } = db.prepare('SELECT id FROM topics WHERE name = ?').get(topic) as { id: number };
      db.prepare(`UPDATE records_${id}_${partition} SET appended_ms = 1000 WHERE offset < ?`).run(offset);
      db.close();
      const sweeping = await openEmbeddedLog({ path: place.path, sweepMs: 20 });
      await sweeping.ensureTopics(topicSpecs(1));
      await expect.poll(async () => (await sweeping.watermarks(TOPICS.raw, 0)).low).toBe(offset);
      await sweeping.close();
    },
  });
});
