import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ToolmeterError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import type { LogRecord, NewRecord, OwnedPartition, Position } from '../../eventlog/port.ts';
import { readDeadLetter } from '../../schemas/dead-letter.ts';
import { HEADER } from '../../schemas/record.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { StoreClient } from '../../store/client.ts';
import { StoreError } from '../../store/errors.ts';
import { SINK_TOPICS } from '../../store/sink.ts';
import { PartitionSink } from '../../store/sink-partition.ts';

/**
 * The sink's protocol against a log and a table in memory, with a process that dies at any step: before the step,
 * after it, or with its insert still on the way, which then lands while the successor works.
 */
interface World {
  readonly records: readonly LogRecord[];
  position: Position | null;
  readonly dead: NewRecord[];
  /** Offsets in `calls`, in the order of their inserts. */
  readonly rows: number[];
  readonly tokens: Set<string>;
  readonly ticks: { offset: number; rowsBefore: number }[];
  /** Inserts of dead processes that have not landed yet. */
  readonly inFlight: (() => void)[];
  steps: number;
}

const newWorld = (records: readonly LogRecord[], position: Position | null): World => ({
  records,
  position,
  dead: [],
  rows: [],
  tokens: new Set(),
  ticks: [],
  inFlight: [],
  steps: 0,
});

class Died extends Error {}

type Fault = { at: number; how: 'before' | 'after' | 'in flight' | 'store down' };

function insertCalls(world: World, ndjson: Buffer, token: string | undefined): void {
  const lines = ndjson.toString().trimEnd().split('\n');
  if (lines.some((line) => line.includes('POISON'))) {
    throw new StoreError('TM_STORE_REFUSED', 'no', '', 27);
  }
  if (token === undefined) throw new Error('an insert into calls without a token');
  if (world.tokens.has(token)) return;
  world.tokens.add(token);
  for (const line of lines) world.rows.push((JSON.parse(line) as { offset: number }).offset);
}

function process(world: World, faults: readonly Fault[], readMax: number): { run: () => Promise<void> } {
  const end = world.records.at(-1)!.offset + 1n;
  const isDone = (at: Position | null): boolean =>
    at !== null && at.offset >= end && !at.metadata.includes('pending');
  const abort = new AbortController();
  let dead = false;
  /** One step with an effect: the place where a process may die. */
  const step = async <T>(effect: () => T, isInsert = false): Promise<T> => {
    if (dead) throw new Died();
    const fault = faults.find((f) => f.at === world.steps);
    world.steps++;
    await Promise.resolve();
    if (fault === undefined) return effect();
    if (fault.how === 'store down' && isInsert) throw new StoreError('TM_STORE_UNAVAILABLE', 'down', '');
    if (fault.how === 'store down') return effect();
    dead = true;
    if (fault.how === 'after') effect();
    if (fault.how === 'in flight' && isInsert) {
      world.inFlight.push(() => {
        try {
          effect();
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
        }
      });
    }
    throw new Died();
  };
  const partition: OwnedPartition = {
    group: 'g',
    topic: TOPICS.calls,
    partition: 0,
    signal: abort.signal,
    committed: () =>
      step(() => {
        if (isDone(world.position)) abort.abort();
        return world.position;
      }),
    read: async (from, limit) => {
      const found = world.records
        .filter((record) => record.offset >= from)
        .slice(0, Math.min(readMax, limit.maxRecords));
      if (found.length === 0) await new Promise((resolve) => setImmediate(resolve));
      return found;
    },
    transact: (records, position) =>
      step(() => {
        world.dead.push(...records);
        if (position !== null) world.position = position;
        if (isDone(position)) abort.abort();
      }),
    readCompacted: () => {
      throw new Error('not used');
    },
  };
  const client: StoreClient = {
    kind: 'embedded',
    query: async (_sql, params) => {
      // An insert of a dead process may land between the successor's look and its own insert.
      const present = await step(() =>
        world.rows.filter((offset) => offset >= Number(params?.first) && offset <= Number(params?.last)),
      );
      for (const land of world.inFlight.splice(0)) land();
      return present.map((offset) => ({ offset: String(offset) })) as never;
    },
    insert: (table, ndjson, token) =>
      step(() => {
        if (table === 'calls') return insertCalls(world, ndjson, token);
        for (const line of ndjson.toString().trimEnd().split('\n')) {
          const { offset } = JSON.parse(line) as { offset: number };
          world.ticks.push({ offset, rowsBefore: world.rows.filter((row) => row < offset).length });
        }
      }, true),
    command: () => Promise.reject(new Error('not used')),
    close: () => Promise.resolve(),
  };
  const sink = new PartitionSink({
    topic: SINK_TOPICS[0]!,
    partition,
    client,
    logId: 'log',
    lingerMs: 0,
    pauseMs: 1,
    log: silentLog,
    onRange: () => undefined,
    onRetry: () => undefined,
  });
  return { run: () => sink.run() };
}

type Kind = 'call' | 'poison' | 'torn' | 'tick' | 'again';

/** Offsets have gaps, as a real log's have; some ranges cross a month. */
function recordsOf(kinds: readonly Kind[], monthEvery: number): LogRecord[] {
  let raw = 0;
  return kinds.map((kind, n): LogRecord => {
    if (kind === 'call' || kind === 'poison') raw += 2;
    const call = JSON.stringify({ event_id: n, ...(kind === 'poison' && { x: 'POISON' }), raw_offset: raw });
    return {
      offset: BigInt(n * 3),
      appendedAtMs: Date.UTC(2026, Math.floor(n / monthEvery), 28),
      key: null,
      value: Buffer.from(
        kind === 'tick' ? '{"partition":0,"at":"x"}' : kind === 'torn' ? call.slice(0, -1) : call,
      ),
      headers: kind === 'tick' ? { [HEADER.record]: 'tick' } : {},
    };
  });
}

describe('the sink, dying anywhere', () => {
  const kind = fc.oneof(
    { weight: 8, arbitrary: fc.constant<Kind>('call') },
    { weight: 1, arbitrary: fc.constantFrom<Kind>('poison', 'torn', 'tick', 'again') },
  );
  const fault = fc.record({
    at: fc.integer({ min: 0, max: 60 }),
    how: fc.constantFrom<Fault['how']>('before', 'after', 'in flight', 'store down'),
  });

  it('each row once, each refusal one dead letter, each tick after the rows before it', async () => {
    await fc.assert(
      fc.asyncProperty(
        // The first is a call: a raw offset can only come again after one.
        fc.array(kind, { maxLength: 40 }).map((kinds): Kind[] => ['call', ...kinds]),
        fc.array(fault, { maxLength: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        async (kinds, faults, readMax, monthEvery) => {
          const records = recordsOf(kinds, monthEvery);
          const world = newWorld(records, null);
          for (let lives = 0; ; lives++) {
            // Other partitions' blocks may have pushed what landed long ago out of the window.
            if (world.inFlight.length === 0) world.tokens.clear();
            if (lives > faults.length) throw new Error('it does not come to an end');
            try {
              await process(world, faults, readMax).run();
              break;
            } catch (error) {
              if (!(error instanceof Died)) throw error;
            }
          }
          for (const land of world.inFlight.splice(0)) land();
          const calls = kinds.flatMap((k, n) => (k === 'call' ? [n * 3] : []));
          const of = (...wanted: Kind[]): number[] =>
            kinds.flatMap((k, n) => (wanted.includes(k) ? [n * 3] : []));
          expect([...world.rows].sort((a, b) => a - b)).toEqual(calls);
          const refused = world.dead.map((record) => readDeadLetter(record.headers ?? {})!.letter);
          const offsets = refused.map((letter) => Number(/offset (\d+):/.exec(letter.message)![1]));
          expect(offsets.sort((a, b) => a - b)).toEqual(of('poison', 'torn', 'again'));
          expect(refused.filter((letter) => letter.code === 'TM_STORE_ORDER')).toHaveLength(
            of('again').length,
          );
          for (const tick of of('tick')) {
            const seen = world.ticks.filter(({ offset }) => offset === tick);
            expect(seen.length).toBeGreaterThan(0);
            for (const { rowsBefore } of seen)
              expect(rowsBefore).toBe(calls.filter((offset) => offset < tick).length);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('of an open range inserts only the rows that the table lacks', async () => {
    const records = recordsOf(['call', 'call', 'call', 'call'], 5);
    const world = newWorld(records, { offset: 0n, metadata: '{"pending":"9","raw":"-1"}' });
    world.rows.push(3, 9);
    await process(world, [], 10).run();
    expect(world.rows).toEqual([3, 9, 0, 6]);
  });

  it('does not touch a position that another kind of reader committed', async () => {
    const world = newWorld(recordsOf(['call'], 5), { offset: 0n, metadata: 'someone else' });
    const error = await process(world, [], 10)
      .run()
      .catch((e: unknown) => e);
    expect((error as ToolmeterError).code).toBe('TM_SINK_POSITION');
    expect(world.rows).toEqual([]);
  });
});
