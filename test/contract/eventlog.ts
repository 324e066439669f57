import { type ChildProcess, spawn } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '../../core/log.ts';
import type { EventLog, LogRecord, NewRecord, OwnedPartition } from '../../eventlog/port.ts';
import { SCHEDULE_NOTICE_MS } from '../../eventlog/schedule.ts';
import type { Skipped } from '../../eventlog/skipped.ts';
import { RAW_MAX_BYTES, TOPICS, type Topic, topicSpecs } from '../../schemas/topics.ts';
import { type LogPlace, MEMBER_TIMEOUT_MS, openLog } from './eventlog-backend.ts';
import type { MemberReport, MemberTask } from './eventlog-member.ts';

/** What a backend does for the suite. */
export interface LogBackend {
  /** Makes a log without topics, where none of the one before is left. */
  fresh(): Promise<LogPlace>;
  /** Drops the records before an offset, as retention does. */
  dropBefore(place: LogPlace, topic: Topic, partition: number, offset: bigint): Promise<void>;
  /** How often a copying process is killed. */
  readonly kills: number;
}

const MEMBER = fileURLToPath(new URL('./eventlog-member.ts', import.meta.url));
const LIMIT = { maxRecords: 1_000, maxBytes: 16e6, waitMs: 5_000 };

const raw = (value: NewRecord['value'], partition = 0): NewRecord => ({
  topic: TOPICS.raw,
  partition,
  value,
});
const call = (value: NewRecord['value'], partition = 0): NewRecord => ({
  topic: TOPICS.calls,
  partition,
  value,
});
const numbers = (from: number, to: number): NewRecord[] =>
  Array.from({ length: to - from }, (_, i) => raw(String(from + i)));
/** Comparing megabytes byte by byte takes vitest seconds. */
const digests = (values: readonly (Buffer | null)[]): string[] =>
  values.map((value) => hash('sha256', value ?? ''));
const texts = (records: readonly LogRecord[]): (string | undefined)[] =>
  records.map(({ value }) => value?.toString());

/** What both logs promise: `eventlog/port.ts`, sentence by sentence. */
export function eventLogContract(backend: LogBackend): void {
  let place: LogPlace;
  let log: EventLog;
  let group: string;
  const opened: EventLog[] = [];
  const children: ChildProcess[] = [];

  const open = async (told: Parameters<typeof openLog>[1] = {}): Promise<EventLog> => {
    const another = await openLog(place, told);
    opened.push(another);
    return another;
  };

  const scan = async (topic: Topic, partition = 0, from?: bigint): Promise<LogRecord[]> => {
    const records: LogRecord[] = [];
    for await (const record of log.scan(topic, partition, from)) records.push(record);
    return records;
  };

  /** Runs `work` on partition 0 as a member of the group, then leaves it. */
  const own = async <T>(
    work: (owned: OwnedPartition) => Promise<T>,
    through = log,
    name = group,
  ): Promise<T> => {
    let close = (): Promise<void> => Promise.resolve();
    try {
      return await new Promise<T>((resolve, reject) => {
        const subscription = through.subscribe(
          name,
          TOPICS.raw,
          async (owned) => {
            if (owned.partition !== 0) return void (await once(owned.signal, 'abort'));
            await work(owned).then(resolve, reject);
          },
          { onError: () => {} },
        );
        close = () => subscription.close();
      });
    } finally {
      await close();
    }
  };

  const member = (task: Omit<MemberTask, 'place' | 'group'>) => {
    const child = spawn(process.execPath, [MEMBER, JSON.stringify({ place, group, ...task })], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
    });
    children.push(child);
    const reports: MemberReport[] = [];
    const waiting = new Set<() => void>();
    createInterface({ input: child.stdout }).on('line', (line) => {
      reports.push(JSON.parse(line));
      for (const look of waiting) look();
    });
    let seen = 0;
    /** The next report of this kind. */
    const next = (event: MemberReport['event'], timeoutMs = 30_000): Promise<MemberReport> =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`no ${event} within ${timeoutMs} ms; so far ${JSON.stringify(reports)}`));
        }, timeoutMs);
        const look = (): void => {
          const at = reports.findIndex((report, index) => index >= seen && report.event === event);
          if (at < 0) return;
          seen = at + 1;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(reports[at] as MemberReport);
        };
        waiting.add(look);
        look();
      });
    return { child, next, reports };
  };

  beforeEach(async () => {
    place = await backend.fresh();
    group = `group-${randomBytes(6).toString('hex')}`;
    log = await open();
    await log.ensureTopics(topicSpecs(1));
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await Promise.all(opened.splice(0).map((each) => each.close()));
  });

  describe('append and scan', () => {
    test('keep order, bytes, keys and headers', async () => {
      const bytes = Buffer.from([0, 255, 128, 10, 0]);
      expect(
        await log.append([
          { topic: TOPICS.raw, partition: 0, value: bytes, headers: { a: '1', ä: 'ü\u0000' } },
          { topic: TOPICS.state, partition: 0, key: 'kéy', value: 'text' },
          { topic: TOPICS.state, partition: 0, key: 'gone', value: null },
          raw('second'),
          raw(''),
        ]),
      ).toEqual([{ ok: true }, { ok: true }, { ok: true }, { ok: true }, { ok: true }]);
      const records = await scan(TOPICS.raw);
      expect(records.map(({ value }) => value)).toEqual([bytes, Buffer.from('second'), Buffer.alloc(0)]);
      expect(records[0]?.headers).toEqual({ a: '1', ä: 'ü\u0000' });
      expect(records[1]?.headers).toEqual({});
      expect(records.map(({ offset }) => offset)).toEqual([0n, 1n, 2n]);
      const [state, gone] = await scan(TOPICS.state);
      expect(state).toMatchObject({ key: 'kéy', value: Buffer.from('text') });
      expect(gone).toMatchObject({ key: 'gone', value: null });
    });

    test('appends of many callers keep each caller’s order', async () => {
      const other = await open();
      await Promise.all(
        [log, other].flatMap((through, who) =>
          Array.from({ length: 20 }, async (_, lane) => {
            for (let i = 0; i < 5; i++) await through.append([raw(`${who}.${lane}.${i}`)]);
          }),
        ),
      );
      const records = await scan(TOPICS.raw);
      expect(records).toHaveLength(200);
      const byLane = Map.groupBy(texts(records), (text) => text?.slice(0, text.lastIndexOf('.')));
      for (const [lane, values] of byLane)
        expect(values).toEqual(Array.from({ length: 5 }, (_, i) => `${lane}.${i}`));
    });

    test('times are the log’s own and never decrease', async () => {
      const before = Date.now();
      for (let i = 0; i < 20; i++) await log.append([raw(String(i))]);
      const times = (await scan(TOPICS.raw)).map(({ appendedAtMs }) => appendedAtMs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times[0]).toBeGreaterThanOrEqual(before - 1);
      expect(times.at(-1)).toBeLessThanOrEqual(Date.now() + 1);
    });

    test('a scan begins where it is told and ends at what was the end', async () => {
      await log.append(numbers(0, 50));
      const seen: string[] = [];
      for await (const { value } of log.scan(TOPICS.raw, 0, 10n)) {
        if (seen.length === 0) await log.append(numbers(50, 60));
        seen.push(String(value));
      }
      expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => String(10 + i)));
      expect(await scan(TOPICS.raw, 0, 60n)).toEqual([]);
      expect(await scan(TOPICS.calls)).toEqual([]);
    });

    test('takes a batch of 5 MB', async () => {
      const values = Array.from({ length: 50 }, () => randomBytes(100_000));
      await log.append(values.map((value) => raw(value)));
      expect(digests((await scan(TOPICS.raw)).map(({ value }) => value))).toEqual(digests(values));
    });

    test('refuses a record that is too large alone', async () => {
      const results = await log.append([raw('before'), raw(randomBytes(2_000_000)), raw('after')]);
      expect(results).toEqual([{ ok: true }, { ok: false, code: 'TM_RECORD_TOO_LARGE' }, { ok: true }]);
      const largest = randomBytes(RAW_MAX_BYTES - 2);
      expect(await log.append([{ ...raw(largest), headers: { h: '1' } }])).toEqual([{ ok: true }]);
      expect((await scan(TOPICS.raw)).map(({ value }) => value?.byteLength)).toEqual([
        6,
        5,
        RAW_MAX_BYTES - 2,
      ]);
      expect(await log.append([{ ...raw(randomBytes(RAW_MAX_BYTES)), headers: { h: '1' } }])).toEqual([
        { ok: false, code: 'TM_RECORD_TOO_LARGE' },
      ]);
    });

    test('refuse topics and partitions that there are not', async () => {
      const missing = expect.objectContaining({ code: 'TM_TOPIC_UNKNOWN' });
      await expect(log.append([raw('x', 1)])).rejects.toEqual(missing);
      await expect(log.watermarks(TOPICS.raw, 7)).rejects.toEqual(missing);
      await expect(log.scan(TOPICS.raw, 7)[Symbol.asyncIterator]().next()).rejects.toEqual(missing);
      await log.append([raw('fine')]);
      expect(texts(await scan(TOPICS.raw))).toEqual(['fine']);
    });
  });

  describe('topics', () => {
    test('are made once, also by several at a time, and the log’s id with them', async () => {
      const another = await open();
      await Promise.all([log.ensureTopics(topicSpecs(1)), another.ensureTopics(topicSpecs(1))]);
      const id = await log.logId();
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
      expect(await another.logId()).toBe(id);
      expect(await (await open()).logId()).toBe(id);
    });

    test('a log that is made anew has another id', async () => {
      const id = await log.logId();
      place = await backend.fresh();
      const anew = await open();
      await anew.ensureTopics(topicSpecs(1));
      expect(await anew.logId()).not.toBe(id);
      expect(await anew.schedule()).toEqual([{ fromMs: 0, partitions: 1 }]);
    });

    test('before there are any, whoever asks is told', async () => {
      place = await backend.fresh();
      const empty = await open();
      const missing = expect.objectContaining({ code: 'TM_TOPIC_UNKNOWN' });
      await expect(empty.append([raw('x')])).rejects.toEqual(missing);
      await expect(empty.watermarks(TOPICS.raw, 0)).rejects.toEqual(missing);
    });

    test('grow, never shrink, and a dated line says so', async () => {
      expect(await log.schedule()).toEqual([{ fromMs: 0, partitions: 1 }]);
      const before = Date.now();
      await log.ensureTopics(topicSpecs(3));
      const grown = await log.schedule();
      expect(grown).toEqual([
        { fromMs: 0, partitions: 1 },
        { fromMs: expect.any(Number), partitions: 3 },
      ]);
      expect(grown[1]?.fromMs).toBeGreaterThanOrEqual(before + SCHEDULE_NOTICE_MS);
      await log.ensureTopics(topicSpecs(2));
      expect(await log.schedule()).toEqual(grown);
      for (const topic of [TOPICS.raw, TOPICS.calls, TOPICS.dlq, TOPICS.state])
        expect(await log.watermarks(topic, 2)).toEqual({ low: 0n, high: 0n, committed: null });
      await expect(log.watermarks(TOPICS.alerts, 1)).rejects.toMatchObject({ code: 'TM_TOPIC_UNKNOWN' });
    });
  });

  describe('an owned partition', () => {
    test('reads in order, within its limits, at least one record', async () => {
      await log.append(numbers(0, 30));
      await log.append([raw(randomBytes(100_000)), raw(randomBytes(100_000))]);
      await own(async (owned) => {
        expect(texts(await owned.read(0n, { ...LIMIT, maxRecords: 7 }))).toEqual(
          texts(await scan(TOPICS.raw)).slice(0, 7),
        );
        expect(texts(await owned.read(7n, { ...LIMIT, maxRecords: 3 }))).toEqual(['7', '8', '9']);
        // Back, and ahead.
        expect(texts(await owned.read(2n, { ...LIMIT, maxRecords: 2 }))).toEqual(['2', '3']);
        expect(texts(await owned.read(28n, { ...LIMIT, maxRecords: 2 }))).toEqual(['28', '29']);
        expect(await owned.read(30n, { ...LIMIT, maxBytes: 1_000 })).toHaveLength(1);
        expect(await owned.read(30n, { ...LIMIT, maxBytes: 150_000 })).toHaveLength(1);
        expect(await owned.read(30n, LIMIT)).toHaveLength(2);
      });
    });

    test('waits for a record, no longer than it is told, and is woken at once', async () => {
      const other = await open();
      await own(async (owned) => {
        const begun = performance.now();
        expect(await owned.read(0n, { ...LIMIT, waitMs: 300 })).toEqual([]);
        expect(performance.now() - begun).toBeGreaterThan(250);
        const waiting = owned.read(0n, { ...LIMIT, waitMs: 20_000 });
        await sleep(100);
        const appended = performance.now();
        await other.append([raw('wake')]);
        expect(texts(await waiting)).toEqual(['wake']);
        expect(performance.now() - appended).toBeLessThan(1_000);
      });
    });

    test('commits records and position together, and resumes there', async () => {
      await log.append(numbers(0, 5));
      await own(async (owned) => {
        expect(await owned.committed()).toBeNull();
        await owned.transact([call('a'), { topic: TOPICS.state, partition: 0, key: 'k', value: 'v' }], {
          offset: 3n,
          metadata: '{"pending":2}',
        });
        expect(await owned.committed()).toEqual({ offset: 3n, metadata: '{"pending":2}' });
        await owned.transact([call('b')], null);
      });
      await own(
        async (owned) => {
          expect(await owned.committed()).toEqual({ offset: 3n, metadata: '{"pending":2}' });
          expect(texts(await owned.read(3n, LIMIT))).toEqual(['3', '4']);
        },
        await open(),
      );
      expect(texts(await scan(TOPICS.calls))).toEqual(['a', 'b']);
      expect(await log.watermarks(TOPICS.raw, 0, group)).toEqual({ low: 0n, high: 5n, committed: 3n });
      expect((await log.watermarks(TOPICS.raw, 0, `${group}-other`)).committed).toBeNull();
    });

    test('commits positions alone, one after the other', async () => {
      await own(async (owned) => {
        for (let i = 1n; i <= 20n; i++) await owned.transact([], { offset: i, metadata: `m${i}` });
      });
      await own(async (owned) => {
        expect(await owned.committed()).toEqual({ offset: 20n, metadata: 'm20' });
      });
    });

    test('transacts 5 MB at once', async () => {
      const values = Array.from({ length: 40 }, () => randomBytes(125_000));
      await own(async (owned) => {
        await owned.transact(
          values.flatMap((value) => [call(value), { ...call(value), topic: TOPICS.dlq }]),
          { offset: 1n, metadata: '' },
        );
      });
      for (const topic of [TOPICS.calls, TOPICS.dlq])
        expect(digests((await scan(topic)).map(({ value }) => value))).toEqual(digests(values));
    });

    test('refuses a transaction with a record that is too large whole, and stays', async () => {
      await own(async (owned) => {
        await expect(
          owned.transact([call('small'), call(randomBytes(2_000_000))], { offset: 1n, metadata: '' }),
        ).rejects.toMatchObject({ code: 'TM_RECORD_TOO_LARGE' });
        expect(owned.signal.aborted).toBe(false);
        expect(await owned.committed()).toBeNull();
        await owned.transact([call('next')], { offset: 1n, metadata: '' });
      });
      expect(texts(await scan(TOPICS.calls))).toEqual(['next']);
    });

    test('reads every live key of a compacted topic, of its own partition', async () => {
      await log.ensureTopics(topicSpecs(2));
      const state = (key: string, value: string | null, partition = 0): NewRecord => ({
        topic: TOPICS.state,
        partition,
        key,
        value,
      });
      await log.append([state('other', 'x', 1), state('a', '1'), state('b', '1'), state('a', '2')]);
      await own(async (owned) => {
        await owned.transact([state('c', '1'), state('b', null), state('a', '3')], null);
      });
      await own(async (owned) => {
        const live = new Map<string, string>();
        for await (const { key, value } of owned.readCompacted(TOPICS.state)) live.set(key, value.toString());
        expect(live).toEqual(
          new Map([
            ['a', '3'],
            ['c', '1'],
          ]),
        );
      });
    });

    test('goes on at the oldest record where retention has passed its position', async () => {
      await log.append(numbers(0, 40));
      await own(async (owned) => {
        await owned.transact([], { offset: 5n, metadata: '' });
      });
      await backend.dropBefore(place, TOPICS.raw, 0, 25n);
      await own(async (owned) => {
        const position = await owned.committed();
        const records = await owned.read(position?.offset as bigint, { ...LIMIT, maxRecords: 5 });
        expect(texts(records)).toEqual(['25', '26', '27', '28', '29']);
        const { low } = await log.watermarks(TOPICS.raw, 0);
        expect(low).toBe(25n);
        // The committed position is still what this owner committed: nothing reset it.
        expect(await owned.committed()).toEqual({ offset: 5n, metadata: '' });
        await owned.transact([], { offset: 30n, metadata: 'on' });
        expect(texts(await owned.read(30n, LIMIT))[0]).toBe('30');
      });
      expect((await log.watermarks(TOPICS.raw, 0, group)).committed).toBe(30n);
    });

    describe('says what retention dropped before it was read', () => {
      const skipped: Skipped[] = [];
      const logged: object[] = [];
      const told = {
        onSkipped: (it: Skipped) => skipped.push(it),
        log: { ...silentLog, error: (fields: object) => void logged.push(fields) },
      };
      let watched: EventLog;

      beforeEach(async () => {
        skipped.length = 0;
        logged.length = 0;
        watched = await open(told);
        await log.append(numbers(0, 40));
      });

      const gap = (from: bigint, to: bigint): Skipped => ({
        group,
        topic: TOPICS.raw,
        partition: 0,
        from,
        to,
      });

      test('once a gap, however often it is read from there and by how many owners', async () => {
        await own((owned) => owned.transact([], { offset: 5n, metadata: '' }), watched);
        await backend.dropBefore(place, TOPICS.raw, 0, 25n);
        // The same subscription hands the partition out twice.
        let owners = 0;
        const subscription = watched.subscribe(
          group,
          TOPICS.raw,
          async (owned) => {
            for (let i = 0; i < 3; i++)
              expect(texts(await owned.read(5n, { ...LIMIT, maxRecords: 1 }))).toEqual(['25']);
            if (++owners === 2) await once(owned.signal, 'abort');
          },
          { onError: (error) => logged.push(error as object) },
        );
        await expect.poll(() => owners, { timeout: 30_000 }).toBe(2);
        await subscription.close();
        expect(skipped).toEqual([gap(5n, 25n)]);
        expect(logged).toEqual([
          {
            code: 'TM_LOG_SKIPPED',
            group,
            topic: TOPICS.raw,
            partition: 0,
            from: '5',
            to: '25',
            skipped: 20,
          },
        ]);
      });

      test('also behind an owner that is reading, counting on from what was told', async () => {
        await own(async (owned) => {
          expect(texts(await owned.read(0n, { ...LIMIT, maxRecords: 1 }))).toEqual(['0']);
          await owned.transact([], { offset: 1n, metadata: '' });
          await backend.dropBefore(place, TOPICS.raw, 0, 10n);
          // Back to where the owner has nothing of in memory.
          expect(texts(await owned.read(2n, { ...LIMIT, maxRecords: 1 }))).toEqual(['10']);
          await backend.dropBefore(place, TOPICS.raw, 0, 25n);
          expect(texts(await owned.read(2n, { ...LIMIT, maxRecords: 1 }))).toEqual(['25']);
          expect(texts(await owned.read(26n, { ...LIMIT, maxRecords: 1 }))).toEqual(['26']);
        }, watched);
        expect(skipped).toEqual([gap(2n, 10n), gap(10n, 25n)]);
      });

      test('also where nothing is left', async () => {
        await own((owned) => owned.transact([], { offset: 5n, metadata: '' }), watched);
        await backend.dropBefore(place, TOPICS.raw, 0, 40n);
        await own(async (owned) => {
          expect(await owned.read(5n, { ...LIMIT, waitMs: 100 })).toEqual([]);
          expect(await owned.read(5n, { ...LIMIT, waitMs: 100 })).toEqual([]);
        }, watched);
        expect(skipped).toEqual([gap(5n, 40n)]);
      });

      test('not what the group had committed, nor what a new group never asked for', async () => {
        await own((owned) => owned.transact([], { offset: 30n, metadata: '' }), watched);
        await backend.dropBefore(place, TOPICS.raw, 0, 25n);
        await own(async (owned) => {
          expect(texts(await owned.read(2n, { ...LIMIT, maxRecords: 1 }))).toEqual(['25']);
          expect(texts(await owned.read(30n, { ...LIMIT, maxRecords: 1 }))).toEqual(['30']);
        }, watched);
        await own(
          async (owned) => {
            expect(await owned.committed()).toBeNull();
            expect(texts(await owned.read(0n, { ...LIMIT, maxRecords: 1 }))).toEqual(['25']);
          },
          watched,
          `${group}-new`,
        );
        expect(skipped).toEqual([]);
        expect(logged).toEqual([]);
      });
    });
  });

  describe('a group', () => {
    test('gives a partition to one member at a time; the other gets it when that one leaves', async () => {
      const hold = (owned: OwnedPartition) => once(owned.signal, 'abort').then(() => {});
      const first = log.subscribe(group, TOPICS.raw, hold);
      await first.ready;
      await expect.poll(() => first.partitions(), { timeout: 30_000 }).toEqual([0]);
      const second = (await open()).subscribe(group, TOPICS.raw, hold);
      await second.ready;
      await sleep(300);
      await expect.poll(() => first.partitions().length + second.partitions().length).toBe(1);
      const [holder, waiter] = first.partitions().length === 1 ? [first, second] : [second, first];
      await holder.close();
      expect(holder.partitions()).toEqual([]);
      await expect.poll(() => waiter.partitions(), { timeout: 30_000 }).toEqual([0]);
    });

    test('a closing owner is told, may commit what it has begun, and is waited for', async () => {
      await log.append([raw('x')]);
      const events: string[] = [];
      const subscription = log.subscribe(group, TOPICS.raw, async (owned) => {
        events.push('begun');
        expect(await owned.read(1n, { ...LIMIT, waitMs: 60_000 })).toEqual([]);
        expect(owned.signal.reason).not.toMatchObject({ code: 'TM_PARTITION_LOST' });
        await owned.transact([call('last words')], { offset: 1n, metadata: '' });
        events.push('committed');
      });
      await expect.poll(() => events, { timeout: 30_000 }).toEqual(['begun']);
      await subscription.close();
      expect(events).toEqual(['begun', 'committed']);
      expect(texts(await scan(TOPICS.calls))).toEqual(['last words']);
    });

    test('a handler that fails is told, and tried again with a new ownership; the old one is refused', async () => {
      const errors: unknown[] = [];
      const owners: OwnedPartition[] = [];
      const subscription = log.subscribe(
        group,
        TOPICS.raw,
        async (owned) => {
          owners.push(owned);
          if (owners.length === 1) throw new Error('a bug');
          if (owners.length === 2) return;
          await once(owned.signal, 'abort');
        },
        { onError: (error, partition) => errors.push([(error as Error).message, partition]) },
      );
      await expect.poll(() => owners.length, { timeout: 30_000 }).toBe(3);
      expect(errors.filter((error) => (error as unknown[])[1] !== null)).toEqual([['a bug', 0]]);
      expect(owners[0]?.signal.reason).toMatchObject({ code: 'TM_PARTITION_LOST' });
      await expect(owners[0]?.transact([call('late')], null)).rejects.toMatchObject({
        code: 'TM_PARTITION_LOST',
      });
      await owners[2]?.transact([call('fine')], null);
      expect(texts(await scan(TOPICS.calls))).toEqual(['fine']);
      await subscription.close();
    });

    test('a frozen member loses its partition in mid-batch, is refused when it wakes, and lives on', async () => {
      await log.append(numbers(0, 10));
      const frozen = member({ batch: 5, wait: true });
      await frozen.next('read');
      frozen.child.kill('SIGSTOP');
      const copied = await own(async (owned) => {
        const records = await owned.read((await owned.committed())?.offset ?? 0n, LIMIT);
        await owned.transact(
          records.map(({ value }) => call(value)),
          { offset: 10n, metadata: 'by the second' },
        );
        frozen.child.kill('SIGCONT');
        frozen.child.stdin?.write('go on\n');
        expect(await frozen.next('error')).toEqual({ event: 'error', code: 'TM_PARTITION_LOST' });
        return texts(records);
      });
      expect(copied).toEqual(Array.from({ length: 10 }, (_, i) => String(i)));
      // The second has left: the first takes over again, from where the second was.
      expect(await frozen.next('acquired')).toEqual({ event: 'acquired', committed: '10' });
      await log.append(numbers(10, 12));
      await frozen.next('read');
      frozen.child.stdin?.write('go on\n');
      await frozen.next('committed');
      expect(texts(await scan(TOPICS.calls))).toEqual(Array.from({ length: 12 }, (_, i) => String(i)));
    });

    test('a member killed again and again copies everything once, and half a transaction is never seen', async () => {
      const count = 40 * (backend.kills + 1);
      const padding = randomBytes(30_000).toString('base64');
      const padded = (i: number): NewRecord => raw(`${i} ${padding}`);
      const numberOf = (record: LogRecord): number => Number.parseInt(String(record.value), 10);
      const watched: number[] = [];
      const watcher = (await open()).subscribe(`${group}-watcher`, TOPICS.calls, async (owned) => {
        let from = 0n;
        while (!owned.signal.aborted) {
          const records = await owned.read(from, { ...LIMIT, waitMs: 200 });
          watched.push(...records.map(numberOf));
          from = (records.at(-1)?.offset ?? from - 1n) + 1n;
        }
      });
      const append = (from: number) => log.append(Array.from({ length: 40 }, (_, i) => padded(from + i)));
      for (let kill = 0; kill < backend.kills; kill++) {
        await append(kill * 40);
        const victim = member({ batch: 25 });
        await victim.next('read');
        await sleep(Math.random() * 60);
        victim.child.kill('SIGKILL');
        await once(victim.child, 'exit');
      }
      await append(backend.kills * 40);
      const last = member({ batch: 25 });
      await expect
        .poll(async () => (await log.watermarks(TOPICS.raw, 0, group)).committed, { timeout: 60_000 })
        .toBe(BigInt(count));
      last.child.kill('SIGKILL');
      const expected = Array.from({ length: count }, (_, i) => i);
      expect((await scan(TOPICS.calls)).map(numberOf)).toEqual(expected);
      await expect.poll(() => watched.length, { timeout: 30_000 }).toBe(count);
      expect(watched).toEqual(expected);
      await watcher.close();
    }, 180_000);
  });

  test('answers a ping, and nothing after it was closed', async () => {
    const closing = await open();
    await closing.ping();
    await closing.close();
    await closing.close();
    const closed = expect.objectContaining({ code: 'TM_LOG_CLOSED' });
    await expect(closing.ping()).rejects.toEqual(closed);
    await expect(closing.append([raw('x')])).rejects.toEqual(closed);
    expect(() => closing.subscribe(group, TOPICS.raw, async () => {})).toThrow(closed);
  });

  test(`a member that is killed is replaced within its timeout (${MEMBER_TIMEOUT_MS} ms) and little more`, async () => {
    await log.append(numbers(0, 1));
    const victim = member({ batch: 1 });
    await victim.next('committed');
    victim.child.kill('SIGKILL');
    const begun = performance.now();
    expect(await own((owned) => owned.committed())).toEqual({ offset: 1n, metadata: 'copied' });
    expect(performance.now() - begun).toBeLessThan(MEMBER_TIMEOUT_MS + 6_000);
  });
}
