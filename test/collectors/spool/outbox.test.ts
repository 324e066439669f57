import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ForwardingOutbox, openOutbox } from '../../../collectors/spool/index.ts';
import type { OutboxOptions } from '../../../collectors/spool/spool.ts';
import type { Log } from '../../../core/log.ts';
import type { CallEvent } from '../../../schemas/call-event.ts';
import type { RawRecord } from '../../../schemas/raw-record.ts';
import { FakeLog, homeIn, scratch, TestCall, until } from './support.ts';

let folder: ReturnType<typeof scratch>;
const folders: (typeof folder)[] = [];
let log = new FakeLog();
const open: ForwardingOutbox[] = [];
const said: { level: string; message: string; fields: object }[] = [];
const logger = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [
    level,
    (fields: object, message: string) => said.push({ level, message, fields }),
  ]),
) as unknown as Log;

function newFolder(): void {
  folder = scratch();
  folders.push(folder);
}

beforeEach(() => {
  newFolder();
  log = new FakeLog();
  said.length = 0;
});
afterEach(async () => {
  vi.useRealTimers();
  for (const outbox of open.splice(0)) await outbox.close(0);
  for (const used of folders.splice(0)) used.remove();
});

const DOWN = async (): Promise<never> => {
  throw new Error('the log is down');
};

function start(options: Partial<OutboxOptions> = {}): ForwardingOutbox {
  const outbox = openOutbox({
    home: options.home ?? homeIn(folder.path),
    destination: log.destination(),
    flushMs: 1,
    lingerMs: 0,
    machine: 'this',
    log: logger,
    ...options,
  });
  open.push(outbox);
  return outbox;
}

function run(outbox: ForwardingOutbox, call = new TestCall()): TestCall {
  outbox.begin(call);
  call.outcome = 'ok';
  outbox.end(call);
  return call;
}

/** Stops as a kill does: the disk as it is, under another path, is what the next process finds. */
function killed(): void {
  const { path } = folder;
  newFolder();
  cpSync(path, folder.path, { recursive: true });
}

const spools = (): string[] => readdirSync(homeIn(folder.path).spools);

describe('calls', () => {
  test('begin at 1 in each epoch, after an `open`, and end with an `end`', async () => {
    for (let epoch = 0; epoch < 2; epoch++) {
      const outbox = start();
      const calls = [run(outbox), run(outbox), run(outbox)];
      await outbox.close();
      expect(log.kinds().filter((kind) => kind !== 'event')).toContain('open');
      expect(log.events().slice(-3)).toEqual(
        calls.map(({ id }, i) => ({ id, outcome: 'ok', seq: i + 1, durable: true })),
      );
      expect(log.records.at(-1)).toMatchObject({
        kind: 'end',
        last: 3,
        at: { collector: 'broker', lane: 0 },
        trusted: true,
      });
      expect(log.records[0]).toMatchObject({ kind: 'open' });
    }
    const at = log.records.flatMap((record) => (record.at ? [record.at] : []));
    expect(new Set(at.map(({ epoch }) => epoch)).size).toBe(2);
    expect(new Set(at.map(({ instance }) => instance)).size).toBe(1);
  });

  test('made before the folder is open are kept; `openOutbox` and calls return at once', async () => {
    const outbox = start();
    const call = run(outbox);
    expect(spools()).toEqual([]);
    await outbox.flush();
    expect(spools()).toHaveLength(1);
    await until(() => log.events().length === 1);
    expect(log.events()[0]?.id).toBe(call.id);
  });

  test('that were never begun are recorded', async () => {
    const outbox = start();
    const call = new TestCall();
    call.outcome = 'ok';
    outbox.end(call);
    await outbox.close();
    expect(log.events()).toMatchObject([{ id: call.id, seq: 1 }]);
  });

  test('open at a flush take their number then, and keep it', async () => {
    const outbox = start();
    const slow = new TestCall();
    outbox.begin(slow);
    await outbox.flush();
    const quick = run(outbox);
    await outbox.flush();
    expect(outbox.stats()).toMatchObject({ open: 1 });
    slow.outcome = 'ok';
    outbox.end(slow);
    await outbox.close();
    expect(log.events()).toEqual([
      { id: quick.id, outcome: 'ok', seq: 2, durable: true },
      { id: slow.id, outcome: 'ok', seq: 1, durable: true },
    ]);
  });

  test('open at the close end as lost', async () => {
    const outbox = start();
    const journalled = new TestCall();
    outbox.begin(journalled);
    await outbox.flush();
    const young = new TestCall();
    outbox.begin(young);
    await outbox.close();
    expect(log.events()).toMatchObject([
      { id: journalled.id, outcome: 'lost', seq: 1 },
      { id: young.id, outcome: 'lost', seq: 2 },
    ]);
    expect(log.records.at(-1)).toMatchObject({ kind: 'end', last: 2 });
  });

  test('whose event cannot be made are dropped, told of, and hurt no other', async () => {
    const outbox = start();
    outbox.end({
      event(): CallEvent {
        throw new Error('no');
      },
    });
    const call = run(outbox);
    await outbox.close();
    expect(log.events()).toMatchObject([{ id: call.id, seq: 1 }]);
    expect(log.records.find(({ kind }) => kind === 'gap')).toMatchObject({ dropped: 1 });
    expect(said).toContainEqual(
      expect.objectContaining({
        level: 'error',
        fields: expect.objectContaining({ code: 'TM_SPOOL_RENDER' }),
      }),
    );
  });

  test('after the close are counted as dropped and change nothing', async () => {
    const outbox = start();
    await outbox.close();
    run(outbox);
    expect(outbox.stats().dropped).toBe(1);
    expect(log.records).toEqual([]);
  });

  test('spread over lanes have a numbering in each', async () => {
    const outbox = start({ lanes: 2 });
    for (let i = 0; i < 4; i++) run(outbox);
    await outbox.close();
    const lanes = log.records.filter(({ kind }) => kind === 'event').map(({ at }) => [at?.lane, at?.seq]);
    expect(lanes).toEqual([
      [0, 1],
      [1, 1],
      [0, 2],
      [1, 2],
    ]);
    expect(log.records.filter(({ kind }) => kind === 'end')).toHaveLength(2);
  });

  test('carry their trace context', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const outbox = start();
    run(outbox, new TestCall({ trace: { traceparent } }));
    await outbox.close();
    expect(log.records.find(({ kind }) => kind === 'event')?.traceparent).toBe(traceparent);
  });

  test('of a busy process that never gets to its timers are committed all the same', async () => {
    const outbox = start();
    await outbox.flush();
    for (let i = 0; i < 3_000; i++) {
      run(outbox);
      await Promise.resolve();
    }
    expect(outbox.stats().spooled).toBeGreaterThan(2_000);
  });
});

describe('a process that was killed', () => {
  test('leaves what it had committed to the next, which ends its open calls as lost under their numbers', async () => {
    const first = start({ destination: log.destination(DOWN) });
    const slow = new TestCall();
    first.begin(slow);
    await first.flush();
    const quick = run(first);
    await first.flush();
    killed();

    const second = start();
    const own = run(second);
    await second.close();
    expect(log.events()).toEqual([
      { id: quick.id, outcome: 'ok', seq: 2, durable: true },
      { id: slow.id, outcome: 'lost', seq: 1, durable: true },
      { id: own.id, outcome: 'ok', seq: 1, durable: true },
    ]);
    expect(log.records.filter(({ kind }) => kind === 'end').map(({ last }) => last)).toEqual([2, 1]);
    expect(spools()).toHaveLength(1);
  });

  test('several folders without an owner are all sent, and become one', async () => {
    const ids: string[] = [];
    const outboxes = [0, 1, 2].map(() => start({ destination: log.destination(DOWN) }));
    for (const outbox of outboxes) {
      ids.push(run(outbox).id);
      await outbox.flush();
    }
    expect(spools()).toHaveLength(3);
    killed();
    await start().close();
    expect(
      log
        .events()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(ids.sort());
    expect(spools()).toHaveLength(1);
  });

  test('a folder that has an owner is left alone', async () => {
    const first = start({ destination: log.destination(DOWN) });
    run(first);
    await first.flush();
    const second = start();
    await second.flush();
    expect(spools()).toHaveLength(2);
    await second.close();
    expect(log.events()).toEqual([]);
  });

  test('a folder of another destination is left alone', async () => {
    const first = start({ destination: log.destination(DOWN, 'elsewhere') });
    run(first);
    await first.close(0);
    await start().close();
    expect(log.events()).toEqual([]);
    expect(spools()).toHaveLength(2);
    await start({ destination: log.destination(undefined, 'elsewhere') }).close();
    expect(log.events()).toHaveLength(1);
  });

  test('a folder that was never finished, or is no spool, hinders nobody', async () => {
    const { spools: path } = homeIn(folder.path);
    mkdirSync(join(path, 'empty'));
    mkdirSync(join(path, 'unfinished'));
    writeFileSync(join(path, 'unfinished', 'spool.sqlite'), '');
    mkdirSync(join(path, 'nonsense'));
    writeFileSync(
      join(path, 'nonsense', 'spool.sqlite'),
      'this is no database, but it is long enough to be looked at\n'.repeat(20),
    );
    const outbox = start();
    run(outbox);
    await outbox.close();
    expect(log.events()).toHaveLength(1);
    expect(existsSync(join(path, 'nonsense'))).toBe(true);
  });
});

describe('a folder that was copied', () => {
  /** A spool with one finished and one open call, as it lies on the disk. */
  async function used(): Promise<{ finished: TestCall; slow: TestCall; outbox: ForwardingOutbox }> {
    const outbox = start({ destination: log.destination(DOWN) });
    const slow = new TestCall();
    outbox.begin(slow);
    await outbox.flush();
    const finished = run(outbox);
    await outbox.flush();
    return { finished, slow, outbox };
  }

  test('to another machine: only what was finished is sent, nothing is ended, and the folder is not used on', async () => {
    const { finished } = await used();
    killed();
    const [old] = spools();
    const other = start({ machine: 'other' });
    run(other);
    await other.close();
    expect(log.events()).toMatchObject([{ id: finished.id, seq: 2 }, { seq: 1 }]);
    const ends = log.records.filter(({ kind }) => kind === 'end');
    expect(ends.map(({ at }) => at?.instance)).not.toContain(old);
    expect(log.events().some(({ outcome }) => outcome === 'lost')).toBe(false);
    expect(spools()).not.toContain(old);
  });

  test('to another name beside itself: the same', async () => {
    const { finished } = await used();
    const { spools: path } = homeIn(folder.path);
    cpSync(join(path, spools()[0] as string), join(path, 'copy'), { recursive: true });
    await start().close();
    expect(log.events()).toMatchObject([{ id: finished.id }]);
    expect(log.kinds()).not.toContain('end');
  });
});

describe('a full spool', () => {
  test('drops the newest, counts them, and tells of them once there is room, in one running sum', async () => {
    let up = false;
    const outbox = start({
      maxBytes: 20_000,
      destination: log.destination(async (records) => (up ? log.take(records) : DOWN())),
    });
    const calls: TestCall[] = [];
    for (let i = 0; i < 60; i++) {
      calls.push(run(outbox));
      await outbox.flush();
    }
    const { dropped, spooled } = outbox.stats();
    expect(dropped).toBeGreaterThan(20);
    expect(spooled).toBeGreaterThan(5);
    up = true;
    await until(() => outbox.stats().spooled === 0);
    const last = run(outbox);
    await outbox.close();

    const kept = 60 - dropped;
    expect(log.events().map(({ id }) => id)).toEqual([...calls.slice(0, kept), last].map(({ id }) => id));
    expect(log.events().map(({ seq }) => seq)).toEqual(Array.from({ length: kept + 1 }, (_, i) => i + 1));
    const gaps = log.records.filter(({ kind }) => kind === 'gap').map((record) => record.dropped ?? 0);
    expect(gaps.at(-1)).toBe(dropped);
    expect(gaps).toEqual([...gaps].sort((a, b) => a - b));
  });

  test('takes the end of a call that has its number', async () => {
    const outbox = start({ maxBytes: 5_000, destination: log.destination(DOWN) });
    const slow = new TestCall();
    outbox.begin(slow);
    await outbox.flush();
    for (let i = 0; i < 10; i++) run(outbox);
    await outbox.flush();
    expect(outbox.stats().dropped).toBeGreaterThan(0);
    slow.outcome = 'ok';
    outbox.end(slow);
    await outbox.flush();
    expect(outbox.stats().open).toBe(0);
    killed();
    await start().close();
    expect(log.events()).toContainEqual(expect.objectContaining({ id: slow.id, outcome: 'ok' }));
  });

  test('of a killed process: the next one tells of what was dropped', async () => {
    const outbox = start({ maxBytes: 5_000, destination: log.destination(DOWN) });
    for (let i = 0; i < 10; i++) run(outbox);
    await outbox.flush();
    const { dropped } = outbox.stats();
    killed();
    await start().close();
    expect(log.records.filter(({ kind }) => kind === 'gap').at(-1)?.dropped).toBe(dropped);
  });
});

describe('a disk that fails', () => {
  test('makes the spool memory, and the events say so', async () => {
    writeFileSync(join(folder.path, 'spools'), 'a file where the folder should be');
    const outbox = start({ home: { spools: join(folder.path, 'spools'), collectorToken: 'x' } });
    run(outbox);
    await outbox.flush();
    expect(outbox.stats().durable).toBe(false);
    await outbox.close();
    expect(log.events()).toMatchObject([{ durable: false }]);
    expect(said).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        fields: expect.objectContaining({ code: 'TM_SPOOL_MEMORY' }),
      }),
    );
    await expect(outbox.forward([])).rejects.toMatchObject({ code: 'TM_SPOOL_CLOSED' });
  });

  test.skipIf(process.platform !== 'linux')(
    'in mid-run holds what it can in memory and commits it when the disk works again',
    {
      timeout: 20_000,
    },
    async () => {
      const limit = (soft: string): unknown =>
        execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${soft}:unlimited`]);
      const outbox = start({ destination: log.destination(DOWN) });
      const calls = [run(outbox)];
      await outbox.flush();
      limit('8192');
      try {
        for (let i = 0; i < 50; i++) calls.push(run(outbox));
        await until(() => said.some(({ fields }) => (fields as { code?: string }).code === 'TM_SPOOL_DISK'));
        await expect(
          outbox.forward([{ kind: 'event', foreignId: 'x', trusted: false, value: 'x'.repeat(9000) }]),
        ).rejects.toMatchObject({
          code: 'TM_SPOOL_DISK',
        });
      } finally {
        limit('unlimited');
      }
      expect(outbox.stats()).toMatchObject({ buffered: 50, dropped: 0 });
      await outbox.flush();
      expect(outbox.stats()).toMatchObject({ buffered: 0, spooled: 52 });
      killed();
      await start().close();
      expect(log.events().map(({ id, seq }) => [id, seq])).toEqual(calls.map(({ id }, i) => [id, i + 1]));
    },
  );

  test.skipIf(process.platform !== 'linux')(
    'for too long: what memory cannot hold is dropped, and told of when the disk works again',
    {
      timeout: 30_000,
    },
    async () => {
      const limit = (soft: string): unknown =>
        execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${soft}:unlimited`]);
      const outbox = start();
      run(outbox);
      await outbox.flush();
      await until(() => outbox.stats().spooled === 0);
      limit('8192');
      try {
        for (let i = 0; i < 6_000; i++) run(outbox);
        await until(() => said.some(({ fields }) => (fields as { code?: string }).code === 'TM_SPOOL_DISK'));
      } finally {
        limit('unlimited');
      }
      const { dropped } = outbox.stats();
      expect(dropped).toBeGreaterThan(1_000);
      await outbox.flush();
      await outbox.close(10_000);
      expect(log.events()).toHaveLength(6_001 - dropped);
      expect(log.events().map(({ seq }) => seq)).toEqual(
        Array.from({ length: 6_001 - dropped }, (_, i) => i + 1),
      );
      expect(log.records.filter(({ kind }) => kind === 'gap').at(-1)?.dropped).toBe(dropped);
    },
  );
});

test.skipIf(process.platform !== 'linux')(
  'a disk that fails until the end: what is lost is counted once each, and told of',
  { timeout: 20_000 },
  async () => {
    const limit = (soft: string): unknown =>
      execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${soft}:unlimited`]);
    const outbox = start();
    run(outbox);
    await outbox.flush();
    await until(() => outbox.stats().spooled === 0);
    limit('8192');
    try {
      for (let i = 0; i < 6_000; i++) run(outbox);
      await until(() => said.some(({ fields }) => (fields as { code?: string }).code === 'TM_SPOOL_DISK'));
    } finally {
      limit('unlimited');
    }
    // No flush: the end comes while calls still wait for the disk.
    await outbox.close(10_000);
    const { dropped } = outbox.stats();
    expect(log.events()).toHaveLength(6_001 - dropped);
    expect(log.records.filter(({ kind }) => kind === 'gap').at(-1)?.dropped).toBe(dropped);
    expect(log.kinds().at(-1)).toBe('end');
  },
);

test.skipIf(process.platform !== 'linux')(
  'a call that was dropped at its end is not told of as lost, or recorded, besides',
  { timeout: 20_000 },
  async () => {
    const limit = (soft: string): unknown =>
      execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${soft}:unlimited`]);
    const outbox = start();
    run(outbox);
    await outbox.flush();
    await until(() => outbox.stats().spooled === 0);
    limit('8192');
    const open = Array.from({ length: 3_000 }, () => new TestCall());
    try {
      run(outbox);
      await until(() => said.some(({ fields }) => (fields as { code?: string }).code === 'TM_SPOOL_DISK'));
      for (const call of open) outbox.begin(call);
      for (let i = 0; i < 4_200; i++) run(outbox);
      for (const call of open) outbox.end(call);
    } finally {
      limit('unlimited');
    }
    await outbox.flush();
    run(outbox);
    await outbox.flush();
    await outbox.close(10_000);
    const { dropped } = outbox.stats();
    expect(dropped).toBeGreaterThan(3_000);
    expect(log.events()).toHaveLength(3 + 4_200 + 3_000 - dropped);
    expect(log.records.filter(({ kind }) => kind === 'gap').at(-1)?.dropped).toBe(dropped);
  },
);

describe('the pump', () => {
  test('sends a record that is too large again without its content, and says so', async () => {
    log.maxBytes = 3_000;
    const outbox = start();
    const large = run(
      outbox,
      new TestCall({
        arguments: { state: 'captured', bytes: 9_000, text: `"${'x'.repeat(9_000)}"`, source: 'wire' },
      }),
    );
    const small = run(outbox);
    await outbox.close();
    expect(
      log
        .events()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([large.id, small.id].sort());
    const record = log.records.find(({ stripped }) => stripped) as RawRecord;
    expect(JSON.parse(record.value.toString())).toMatchObject({
      event_id: large.id,
      arguments: { state: 'omitted', bytes: 9_000 },
      result: { state: 'omitted' },
    });
    expect(record.at?.seq).toBe(1);
  });

  test('does not stop at a record that can never be taken', async () => {
    log.maxBytes = 100;
    const outbox = start();
    run(outbox);
    await outbox.flush();
    await until(() => outbox.stats().spooled === 0);
    log.maxBytes = 10_000;
    const next = run(outbox);
    await outbox.close();
    expect(log.events()).toMatchObject([{ id: next.id, seq: 2 }]);
    expect(outbox.stats().dropped).toBe(1);
    expect(said.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test('waits for a destination that is not there, says so once, and goes on when it comes', async () => {
    let up = false;
    const outbox = start({
      destination: log.destination(async (records) => (up ? log.take(records) : DOWN())),
    });
    run(outbox);
    await until(() => said.some(({ message }) => message === 'the log is down'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    up = true;
    await until(() => log.events().length === 1);
    expect(said.filter(({ level }) => level === 'warn')).toHaveLength(1);
    await until(() => said.some(({ level }) => level === 'info'));
  });

  test('a close with a destination that hangs ends in time and leaves everything to the next owner', async () => {
    const outbox = start({ destination: log.destination(() => new Promise(() => {})) });
    const call = run(outbox);
    await outbox.close(50);
    await start().close();
    expect(log.events()).toMatchObject([{ id: call.id, outcome: 'ok' }]);
  });

  test('tells every ten minutes that a lane is alive, and of no lane that was never used', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const outbox = start();
    await outbox.flush();
    vi.advanceTimersByTime(11 * 60_000);
    expect(outbox.stats().spooled).toBe(0);
    run(outbox);
    await outbox.flush();
    vi.advanceTimersByTime(10 * 60_000);
    await until(() => log.kinds().includes('alive'));
    expect(log.records.find(({ kind }) => kind === 'alive')).toMatchObject({ last: 1 });
  });

  test('takes over, within a minute, what a process beside it leaves', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const stays = start();
    await stays.flush();
    const goes = start({ destination: log.destination(DOWN) });
    const call = run(goes);
    await goes.close(0);
    vi.advanceTimersByTime(61_000);
    await until(() => log.events().length === 1);
    expect(log.events()[0]?.id).toBe(call.id);
    expect(spools()).toHaveLength(1);
  });
});

describe('forwarding', () => {
  const numbered: RawRecord = {
    kind: 'event',
    at: {
      collector: 'laptop-7',
      instance: 'i',
      epoch: '01a21057-286f-73c0-9b18-876bebf7c04f',
      lane: 3,
      seq: 12,
    },
    trusted: false,
    stripped: true,
    traceparent: 'x',
    value: '{"a":1}',
  };
  const foreign: RawRecord = {
    kind: 'event',
    foreignId: 'order-7',
    trusted: true,
    value: Buffer.from('{"b":"\u00e9"}'),
  };
  const control: RawRecord = {
    kind: 'end',
    at: { collector: 'c', instance: 'i', epoch: '01a21057-286f-73c0-9b18-876bebf7c04f', lane: 0 },
    trusted: false,
    last: 4,
    value: '',
  };

  test('puts records through as they are, over a kill too', async () => {
    const outbox = start({ durability: 'full', destination: log.destination(DOWN) });
    await outbox.forward([numbered, foreign, control]);
    killed();
    await start().close();
    expect(log.records.map(({ value, ...head }) => ({ ...head, value: value.toString() }))).toEqual(
      [numbered, foreign, control].map(({ value, ...head }) => ({ ...head, value: value.toString() })),
    );
  });

  test('refuses what does not fit, whole', async () => {
    const outbox = start({ maxBytes: 1_000, destination: log.destination(DOWN) });
    await expect(outbox.forward([foreign, { ...foreign, value: 'x'.repeat(2_000) }])).rejects.toMatchObject({
      code: 'TM_SPOOL_FULL',
    });
    expect(outbox.stats().spooled).toBe(0);
  });
});

test('a process that just ends commits what had ended, and is not kept alive', async () => {
  const script = fileURLToPath(new URL('exits.ts', import.meta.url));
  for (const how of ['runs-out', 'exit']) {
    const { stdout, stderr, status } = spawnSync(process.execPath, [script, folder.path, how], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const ids = stdout.trim().split('\n');
    await start().close();
    const sent = new Map(log.events().map(({ id, outcome }) => [id, outcome]));
    expect(ids.map((id) => sent.get(id))).toEqual(['ok', 'ok', 'lost']);
  }
});
