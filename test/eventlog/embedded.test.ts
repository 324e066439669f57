import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openEmbeddedLog } from '../../eventlog/embedded/index.ts';
import type { EventLog, LogRecord, NewRecord } from '../../eventlog/port.ts';
import { TOPICS, type Topic, topicSpecs } from '../../schemas/topics.ts';

const DAY_MS = 86_400_000;
const MODULE = new URL('../../eventlog/embedded/index.ts', import.meta.url).href;

const raw = (value: string): NewRecord => ({ topic: TOPICS.raw, partition: 0, value });

describe('the embedded log', () => {
  let folder: string;
  let path: string;
  const opened: EventLog[] = [];

  const open = async (options: Partial<Parameters<typeof openEmbeddedLog>[0]> = {}): Promise<EventLog> => {
    const log = await openEmbeddedLog({ path, leaseMs: 2_000, ...options });
    opened.push(log);
    return log;
  };
  const scan = async (log: EventLog, topic: Topic = TOPICS.raw): Promise<LogRecord[]> => {
    const records: LogRecord[] = [];
    for await (const record of log.scan(topic, 0)) records.push(record);
    return records;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'toolmeter-log-'));
    path = join(folder, 'new', 'log.sqlite');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
    rmSync(folder, { recursive: true, force: true });
  });

  test('is a file that only its user may read', async () => {
    await open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o700);
  });

  test('says what is wrong with a file that is not a log', async () => {
    path = join(folder, 'text');
    writeFileSync(path, 'this is no database, but long enough to be looked at as one'.repeat(100));
    await expect(open()).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      hint: expect.stringMatching(/not a log/),
    });
  });

  test('refuses a newer layout', async () => {
    path = join(folder, 'newer');
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 99');
    db.close();
    await expect(open()).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      message: expect.stringMatching(/layout is version 99/),
    });
  });

  test('stamps records with times that never decrease, whatever the clock does', async () => {
    let now = 5_000;
    const log = await open({ clock: { nowMs: () => now } });
    await log.ensureTopics(topicSpecs(1));
    for (const next of [5_000, 7_000.9, 3_000, 6_999, 8_000]) {
      now = next;
      await log.append([raw('x')]);
    }
    expect((await scan(log)).map(({ appendedAtMs }) => appendedAtMs)).toEqual([
      5_000, 7_000, 7_000, 7_000, 8_000,
    ]);
  });

  test('drops what is older than its topic keeps, and no more', async () => {
    let now = 10 * DAY_MS;
    const log = await open({ clock: { nowMs: () => now }, sweepMs: 20 });
    await log.ensureTopics(topicSpecs(1));
    const old = Array.from({ length: 12_000 }, (_, i) => raw(String(i)));
    await log.append(old);
    now += DAY_MS;
    await log.append([raw('young')]);
    await log.append([{ topic: TOPICS.state, partition: 0, key: 'k', value: 'kept for ever' }]);
    now += 6.5 * DAY_MS;
    await expect.poll(async () => (await log.watermarks(TOPICS.raw, 0)).low).toBe(12_000n);
    expect((await scan(log)).map(({ value }) => String(value))).toEqual(['young']);
    now += DAY_MS;
    await expect.poll(async () => (await log.watermarks(TOPICS.raw, 0)).low).toBe(12_001n);
    expect(await scan(log)).toEqual([]);
    // Offsets go on where they were.
    await log.append([raw('new')]);
    expect((await scan(log)).map(({ offset }) => offset)).toEqual([12_001n]);
    expect(await scan(log, TOPICS.state)).toHaveLength(1);
  });

  test('keeps only the last value of a key, and a tombstone for a day', async () => {
    let now = DAY_MS;
    const log = await open({ clock: { nowMs: () => now }, sweepMs: 20 });
    await log.ensureTopics(topicSpecs(1));
    const state = (key: string, value: string | null): NewRecord => ({
      topic: TOPICS.state,
      partition: 0,
      key,
      value,
    });
    for (let i = 0; i < 50; i++) await log.append([state('a', `${i}`), state('b', `${i}`)]);
    await log.append([state('b', null)]);
    const kept = async () =>
      (await scan(log, TOPICS.state)).map(({ key, value }) => [key, value && String(value)]);
    expect(await kept()).toEqual([
      ['a', '49'],
      ['b', null],
    ]);
    now += DAY_MS + 1;
    await expect.poll(kept).toEqual([['a', '49']]);
  });

  test('wants a key on a compacted topic', async () => {
    const log = await open();
    await log.ensureTopics(topicSpecs(1));
    await expect(log.append([{ topic: TOPICS.state, partition: 0, value: 'x' }])).rejects.toMatchObject({
      code: 'TM_RECORD_INVALID',
    });
  });

  test('waits for another writer without holding up this thread', async () => {
    const log = await open();
    await log.ensureTopics(topicSpecs(1));
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const appended = log.append([raw('patient')]);
    // Were the thread held up, it could never let go of the lock.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 10));
    other.exec('COMMIT');
    other.close();
    await appended;
    expect((await scan(log)).map(({ value }) => String(value))).toEqual(['patient']);
  });

  test('threads append and read at the same time: nothing is lost, each one’s order stays', async () => {
    const log = await open();
    await log.ensureTopics(topicSpecs(1));
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      (async () => {
        const { openEmbeddedLog } = await import(workerData.module);
        const log = await openEmbeddedLog({ path: workerData.path });
        for (let i = 0; i < 100; i++)
          await log.append([{ topic: 'mcp.calls.raw.v1', partition: 0, value: workerData.name + i }]);
        await log.close();
        parentPort.postMessage('done');
      })();`;
    const seen: string[] = [];
    const subscription = log.subscribe('reader', TOPICS.raw, async (owned) => {
      let from = 0n;
      while (!owned.signal.aborted) {
        const records = await owned.read(from, { maxRecords: 100, maxBytes: 1e6, waitMs: 1_000 });
        seen.push(...records.map(({ value }) => String(value)));
        from = (records.at(-1)?.offset ?? from - 1n) + 1n;
      }
    });
    const threads = ['a', 'b'].map(
      (name) => new Worker(source, { eval: true, workerData: { module: MODULE, path, name } }),
    );
    await Promise.all(
      threads.map(
        (thread) => new Promise((resolve, reject) => thread.once('exit', resolve).once('error', reject)),
      ),
    );
    await expect.poll(() => seen.length, { timeout: 30_000 }).toBe(200);
    for (const name of ['a', 'b'])
      expect(seen.filter((value) => value.startsWith(name))).toEqual(
        Array.from({ length: 100 }, (_, i) => `${name}${i}`),
      );
    await subscription.close();
  });

  test('a subscription gets the partitions that are added while it runs', async () => {
    const log = await open({ leaseMs: 400 });
    await log.ensureTopics(topicSpecs(1));
    const subscription = log.subscribe('grow', TOPICS.raw, async (owned) => {
      await new Promise((resolve) => owned.signal.addEventListener('abort', resolve));
    });
    await expect.poll(() => subscription.partitions()).toEqual([0]);
    await (await open()).ensureTopics(topicSpecs(3));
    await expect.poll(() => subscription.partitions()).toEqual([0, 1, 2]);
  });

  test('a full disk: refused with a hint, and well again when there is room', async () => {
    const log = await open();
    await log.ensureTopics(topicSpecs(1));
    await log.append([raw('before')]);
    // The limit is a connection's own: it is set through the log's, as a full disk would meet it.
    const exec = DatabaseSync.prototype.exec;
    let db: DatabaseSync | undefined;
    DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
      db = this;
      return exec.call(this, sql);
    };
    await log.append([raw('still fits')]);
    DatabaseSync.prototype.exec = exec;
    if (db === undefined) throw new Error('the append went through no exec');
    const pages = (db.prepare('PRAGMA page_count').get() as { page_count: number }).page_count;
    db.exec(`PRAGMA max_page_count = ${pages}`);
    await expect(log.append([raw('x'.repeat(900_000))])).rejects.toMatchObject({
      code: 'TM_LOG_UNAVAILABLE',
      hint: expect.stringMatching(/disk is full/),
    });
    db.exec('PRAGMA max_page_count = 1000000');
    await log.append([raw('after')]);
    expect((await scan(log)).map(({ value }) => String(value))).toEqual(['before', 'still fits', 'after']);
  });
});
