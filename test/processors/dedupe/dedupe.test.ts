import { describe, expect, test } from 'vitest';
import { uuidv7 } from '../../../core/ids.ts';
import { FOREIGN_WINDOW_MS, LANE_RETENTION_MS, LaneStates } from '../../../processors/dedupe/index.ts';
import { MAX_RANGES } from '../../../processors/dedupe/lane.ts';
import { laneKey } from '../../../schemas/dedupe-state.ts';
import type { LaneId, RawRecord, RecordKind } from '../../../schemas/record.ts';

const DAY_MS = 86_400_000;
const T0 = Date.UTC(2026, 10, 1);

let lastEpochMs = T0;
/** `uuidv7` never goes back, so an epoch of a given time is put together here. */
function laneAt(epochMs: number): LaneId {
  const time = Math.floor(epochMs).toString(16).padStart(12, '0');
  const rest = uuidv7(lastEpochMs++).slice(14);
  return {
    collector: 'c1',
    instance: 'i1',
    epoch: `${time.slice(0, 8)}-${time.slice(8)}-${rest}`,
    lane: 0,
  };
}

const event = (lane: LaneId, seq: number, more: Partial<RawRecord> = {}): RawRecord => ({
  kind: 'event',
  at: { ...lane, seq },
  trusted: false,
  value: '{}',
  ...more,
});
const control = (kind: RecordKind, lane: LaneId, more: Partial<RawRecord> = {}): RawRecord => ({
  kind,
  at: lane,
  trusted: false,
  value: '',
  ...more,
});
const foreign = (foreignId: string, more: Partial<RawRecord> = {}): RawRecord => ({
  kind: 'event',
  foreignId,
  trusted: false,
  value: '{}',
  ...more,
});
const REPLAY = { replayOf: '17' };

/** What `check` says, in a word: new, late, duplicate, control, or the code of a dead letter. */
function verdicts(states: LaneStates, records: RawRecord[], nowMs = T0): string[] {
  return records.map((record) => {
    const verdict = states.check(record, nowMs);
    if (verdict.kind === 'dead') return verdict.dead.code;
    return verdict.kind === 'accept' ? (verdict.late ? 'late' : 'new') : verdict.kind;
  });
}

/** The same state after a restart: written to the state topic and read back. */
function restarted(...generations: LaneStates[]): LaneStates {
  const topic = new Map<string, Buffer>();
  for (const states of generations)
    for (const { key, value } of states.takeDirty())
      if (value === null) topic.delete(key);
      else topic.set(key, Buffer.from(value));
  const states = new LaneStates();
  for (const [key, value] of topic) states.load(key, value);
  return states;
}

function opened(lane = laneAt(T0)): { states: LaneStates; lane: LaneId } {
  const states = new LaneStates();
  states.check(control('open', lane), T0);
  return { states, lane };
}

const ledger = (states: LaneStates) => [...states.completeness()][0];

describe('numbers of a lane', () => {
  test('above the highest: new; in a hole: late, once; else a duplicate', () => {
    const { states, lane } = opened();
    const seqs = [1, 2, 2, 5, 1, 4, 4, 3, 3, 6];
    expect(
      verdicts(
        states,
        seqs.map((seq) => event(lane, seq)),
      ),
    ).toEqual([
      'new',
      'new',
      'duplicate',
      'new',
      'duplicate',
      'late',
      'duplicate',
      'late',
      'duplicate',
      'new',
    ]);
  });

  test('two lanes, epochs, instances or collectors have nothing to do with each other', () => {
    const { states, lane } = opened();
    const others = [
      { ...lane, lane: 1 },
      { ...lane, instance: 'i2' },
      { ...lane, collector: 'c2' },
      laneAt(T0),
    ];
    verdicts(states, [event(lane, 1)]);
    for (const other of others)
      expect(verdicts(states, [control('open', other), event(other, 1), event(other, 1)])).toEqual([
        'control',
        'new',
        'duplicate',
      ]);
  });

  test('an `open` that comes again changes nothing', () => {
    const { states, lane } = opened();
    expect(verdicts(states, [event(lane, 1), control('open', lane), event(lane, 1)])).toEqual([
      'new',
      'control',
      'duplicate',
    ]);
  });

  test('a `lost` and a real ending under one number: the first wins', () => {
    const { states, lane } = opened();
    expect(
      verdicts(states, [event(lane, 1, { value: '"lost"' }), event(lane, 1, { value: '"ok"' })]),
    ).toEqual(['new', 'duplicate']);
  });

  test('everything is remembered over a restart', () => {
    const { states, lane } = opened();
    verdicts(
      states,
      [1, 2, 5, 9].map((seq) => event(lane, seq)),
    );
    states.check(event(lane, 10), T0);
    states.markDead(event(lane, 10));
    const again = restarted(states);
    expect(
      verdicts(
        again,
        [1, 5, 10].map((seq) => event(lane, seq)),
      ),
    ).toEqual(Array(3).fill('duplicate'));
    expect(verdicts(again, [event(lane, 10, REPLAY), event(lane, 3), event(lane, 11)])).toEqual([
      'late',
      'late',
      'new',
    ]);
  });

  test('numbers that would make too many holes are refused and not recorded, so that a replay can bring them', () => {
    const { states, lane } = opened();
    let refused = 0;
    for (let i = 1; i <= MAX_RANGES + 10; i++)
      if (states.check(event(lane, i * 2), T0).kind === 'dead') refused = refused || i * 2;
    expect(refused).toBeGreaterThan(MAX_RANGES);
    expect(verdicts(states, [event(lane, refused)])).toEqual(['TM_LANE_HOLES']);
    for (let i = 1; i < 100; i += 2) states.check(event(lane, i), T0);
    expect(verdicts(states, [event(lane, refused, REPLAY), event(lane, refused, REPLAY)])).toEqual([
      'new',
      'duplicate',
    ]);
  });
});

describe('dead letters', () => {
  test('a dead number comes back by a replay only, and once', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 1), event(lane, 2)]);
    states.markDead(event(lane, 1));
    expect(
      verdicts(states, [event(lane, 1), event(lane, 1, REPLAY), event(lane, 1, REPLAY), event(lane, 1)]),
    ).toEqual(['duplicate', 'late', 'duplicate', 'duplicate']);
  });

  test('a replay that dies again can be replayed again', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 1)]);
    for (let i = 0; i < 3; i++) {
      states.markDead(event(lane, 1));
      expect(verdicts(states, [event(lane, 1, REPLAY)])).toEqual(['late']);
    }
    expect(verdicts(states, [event(lane, 1, REPLAY)])).toEqual(['duplicate']);
  });

  test('a replay of what has landed is a duplicate', () => {
    const { states, lane } = opened();
    expect(verdicts(states, [event(lane, 1), event(lane, 1, REPLAY)])).toEqual(['new', 'duplicate']);
  });

  test('marking what never came, or is in a hole, changes nothing', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 3)]);
    states.markDead(event(lane, 2));
    states.markDead(event(lane, 9));
    expect(ledger(states)).toMatchObject({ dead: 0, landed: 1, missing: [[1, 2]] });
  });
});

describe('lanes that were not opened, and lanes that are forgotten', () => {
  test('numbers of a lane without `open` are dead letters, once each, and a replay brings each once', () => {
    const states = new LaneStates();
    const lane = laneAt(T0);
    expect(
      verdicts(states, [event(lane, 7), event(lane, 7), event(lane, 7, REPLAY), event(lane, 7, REPLAY)]),
    ).toEqual(['TM_LANE_NOT_OPENED', 'duplicate', 'late', 'duplicate']);
  });

  test('an `open` that comes later lets later numbers in; the dead stay dead', () => {
    const states = new LaneStates();
    const lane = laneAt(T0);
    expect(verdicts(states, [event(lane, 1), control('open', lane), event(lane, 2), event(lane, 1)])).toEqual(
      ['TM_LANE_NOT_OPENED', 'control', 'new', 'duplicate'],
    );
  });

  test('`alive`, `end` and `gap` do not open a lane', () => {
    const states = new LaneStates();
    const lane = laneAt(T0);
    verdicts(states, [
      control('alive', lane, { last: 3 }),
      control('end', lane, { last: 3 }),
      control('gap', lane, { dropped: 1 }),
    ]);
    expect(states.size).toBe(0);
    expect(verdicts(states, [event(lane, 1)])).toEqual(['TM_LANE_NOT_OPENED']);
  });

  test('a lane is known for 30 days after its last record, whatever its age', () => {
    const { states, lane } = opened();
    const almost = LANE_RETENTION_MS - 1000;
    expect(verdicts(states, [event(lane, 1)], T0 + almost)).toEqual(['new']);
    expect(verdicts(states, [event(lane, 1), event(lane, 2)], T0 + 2 * almost)).toEqual(['duplicate', 'new']);
  });

  test('after that its numbers are dead letters, and a restored snapshot cannot open it again', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 1)]);
    const later = T0 + LANE_RETENTION_MS + DAY_MS;
    expect(verdicts(states, [control('open', lane), event(lane, 1), event(lane, 2)], later)).toEqual([
      'control',
      'TM_LANE_EXPIRED',
      'TM_LANE_EXPIRED',
    ]);
    expect(verdicts(states, [event(lane, 1), event(lane, 2, REPLAY), event(lane, 2, REPLAY)], later)).toEqual(
      ['duplicate', 'late', 'duplicate'],
    );
    expect([...states.completeness()]).toEqual([]);
  });

  test('a dead letter can be replayed after its lane was forgotten, once', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 1), event(lane, 2)]);
    states.markDead(event(lane, 2));
    const later = T0 + 60 * DAY_MS;
    expect(verdicts(states, [event(lane, 2, REPLAY), event(lane, 2, REPLAY)], later)).toEqual([
      'new',
      'duplicate',
    ]);
  });

  test('an epoch from the far future is not opened', () => {
    const states = new LaneStates();
    const lane = laneAt(T0 + 3 * DAY_MS);
    expect(verdicts(states, [control('open', lane), event(lane, 1)])).toEqual([
      'control',
      'TM_LANE_NOT_OPENED',
    ]);
  });

  test('forgotten lanes leave the state topic, and only then', () => {
    const { states, lane } = opened();
    states.takeLedger();
    states.takeDirty();
    const other = laneAt(T0 + LANE_RETENTION_MS);
    states.check(control('open', other), T0 + LANE_RETENTION_MS);
    expect(states.takeDirty().map(({ key, value }) => [key, value === null])).toEqual([
      [laneKey(other), false],
    ]);
    states.check(control('alive', other, { last: 0 }), T0 + LANE_RETENTION_MS + DAY_MS);
    const changes = states.takeDirty();
    expect(changes).toContainEqual({ key: laneKey(lane), value: null });
    expect(states.size).toBe(1);
  });
});

describe('foreign events', () => {
  test('an id counts once in 24 hours, over a restart too', () => {
    const states = new LaneStates();
    expect(verdicts(states, [foreign('a'), foreign('a'), foreign('b')])).toEqual(['new', 'duplicate', 'new']);
    const again = restarted(states);
    expect(verdicts(again, [foreign('a'), foreign('b')], T0 + FOREIGN_WINDOW_MS)).toEqual([
      'duplicate',
      'duplicate',
    ]);
    expect(verdicts(again, [foreign('a')], T0 + 3 * FOREIGN_WINDOW_MS)).toEqual(['new']);
  });

  test('one without an id is a dead letter', () => {
    expect(verdicts(new LaneStates(), [foreign('')])).toEqual(['TM_FOREIGN_NO_ID']);
  });

  test('a dead one comes back by a replay only, and once; one that dies again can be replayed again', () => {
    let states = new LaneStates();
    verdicts(states, [foreign('a')]);
    states.markDead(foreign('a'));
    states = restarted(states);
    expect(verdicts(states, [foreign('a'), foreign('a', REPLAY)])).toEqual(['duplicate', 'new']);
    states.markDead(foreign('a', REPLAY));
    expect(verdicts(states, [foreign('a', REPLAY), foreign('a', REPLAY)])).toEqual(['new', 'duplicate']);
    states = restarted(states);
    expect(verdicts(states, [foreign('a', REPLAY)], T0 + 60 * DAY_MS)).toEqual(['duplicate']);
  });

  test('a replay of one that has landed is a duplicate', () => {
    expect(verdicts(new LaneStates(), [foreign('a'), foreign('a', REPLAY)])).toEqual(['new', 'duplicate']);
  });

  test('ids are bounded: what comes beyond is a dead letter and can be replayed', () => {
    const states = new LaneStates({ maxForeignIds: 100 });
    for (let i = 0; i < 100; i++) states.check(foreign(`x${i}`), T0);
    expect(verdicts(states, [foreign('y'), foreign('x3'), foreign('y', REPLAY), foreign('y')])).toEqual([
      'TM_FOREIGN_FULL',
      'duplicate',
      'new',
      'duplicate',
    ]);
  });

  test('thousands of ids survive restarts between small batches, and are dropped whole', () => {
    const topic = new Map<string, Buffer>();
    let states = new LaneStates();
    const write = (): void => {
      for (const { key, value } of states.takeDirty())
        if (value === null) topic.delete(key);
        else topic.set(key, Buffer.from(value));
    };
    for (let batch = 0; batch < 40; batch++) {
      for (let i = 0; i < 97; i++) states.check(foreign(`${batch}/${i}`), T0 + batch * 60_000);
      write();
      if (batch % 7 === 0) {
        states = new LaneStates();
        for (const [key, value] of topic) states.load(key, value);
      }
    }
    for (let batch = 0; batch < 40; batch++)
      for (let i = 0; i < 97; i++)
        expect(states.check(foreign(`${batch}/${i}`), T0 + 40 * 60_000).kind).toBe('duplicate');
    expect(topic.size).toBe(Math.ceil((40 * 97) / 512));
    states.check(foreign('late'), T0 + 3 * DAY_MS);
    write();
    expect(topic.size).toBe(1);
  });
});

describe('the ledger', () => {
  test('complete only with an end and without a hole', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 1), event(lane, 3)]);
    expect(ledger(states)).toMatchObject({
      expected: 3,
      landed: 2,
      dead: 0,
      dropped: 0,
      missing: [[2, 2]],
      missing_count: 1,
      ended: false,
      verdict: 'unconfirmed',
    });
    verdicts(states, [event(lane, 2)]);
    expect(ledger(states)).toMatchObject({ landed: 3, missing: [], verdict: 'unconfirmed' });
    verdicts(states, [control('end', lane, { last: 3 })]);
    expect(ledger(states)).toMatchObject({ expected: 3, landed: 3, ended: true, verdict: 'complete' });
  });

  test('a lane that ended with numbers that did not come is missing them, until they come', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 2), control('end', lane, { last: 5 })]);
    expect(ledger(states)).toMatchObject({
      expected: 5,
      landed: 1,
      missing: [
        [1, 1],
        [3, 5],
      ],
      missing_count: 4,
      ended: true,
      verdict: 'missing',
    });
    verdicts(
      states,
      [5, 1, 4, 3].map((seq) => event(lane, seq)),
    );
    expect(ledger(states)).toMatchObject({ landed: 5, missing: [], missing_count: 0, verdict: 'complete' });
  });

  test('`alive` says what was given', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 1), control('alive', lane, { last: 4 })]);
    expect(ledger(states)).toMatchObject({
      expected: 4,
      missing: [[2, 4]],
      missing_count: 3,
      verdict: 'unconfirmed',
    });
  });

  test('numbers after an end (of a copy) take it back', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 1), control('end', lane, { last: 1 }), event(lane, 2)]);
    expect(ledger(states)).toMatchObject({ expected: 2, ended: false, verdict: 'unconfirmed' });
    verdicts(states, [control('end', lane, { last: 2 }), control('end', lane, { last: 1 })]);
    expect(ledger(states)).toMatchObject({ ended: true, verdict: 'complete' });
  });

  test('dropped events and dead letters are never complete; a gap that comes twice counts once', () => {
    const { states, lane } = opened();
    verdicts(states, [
      event(lane, 1),
      control('gap', lane, { dropped: 3 }),
      control('gap', lane, { dropped: 3 }),
      control('end', lane, { last: 1 }),
    ]);
    expect(ledger(states)).toMatchObject({ dropped: 3, verdict: 'missing' });
    const second = opened();
    verdicts(second.states, [event(second.lane, 1), control('end', second.lane, { last: 1 })]);
    second.states.markDead(event(second.lane, 1));
    expect(ledger(second.states)).toMatchObject({
      expected: 1,
      landed: 0,
      dead: 1,
      missing_count: 0,
      verdict: 'missing',
    });
    verdicts(second.states, [event(second.lane, 1, REPLAY)]);
    expect(ledger(second.states)).toMatchObject({ landed: 1, dead: 0, verdict: 'complete' });
  });

  test('lists at most 100 ranges, and counts them all', () => {
    const { states, lane } = opened();
    for (let i = 1; i <= 300; i++) states.check(event(lane, i * 3), T0);
    expect(ledger(states)?.missing).toHaveLength(100);
    expect(ledger(states)?.missing_count).toBe(600);
  });

  test('each change is told once, and what a crash kept from being told is told after it', () => {
    const { states, lane } = opened();
    verdicts(states, [event(lane, 1)]);
    expect(states.takeLedger()).toHaveLength(1);
    expect(states.takeLedger()).toEqual([]);
    states.check(event(lane, 2), T0 + 5000);
    const crashed = restarted(states);
    expect(crashed.takeLedger()).toMatchObject([
      { expected: 2, last_seen: new Date(T0 + 5000).toISOString() },
    ]);
    expect(restarted(crashed).takeLedger()).toEqual([]);
  });
});

test('a count beyond what a number holds exactly does no harm', () => {
  const { states, lane } = opened();
  verdicts(states, [control('end', lane, { last: 2 ** 53 + 2 })]);
  expect(ledger(states)).toMatchObject({ expected: Number.MAX_SAFE_INTEGER, verdict: 'missing' });
  expect(() => restarted(states)).not.toThrow();
});

test('a key of the state topic that is not ours, or is damaged, stops everything', () => {
  const states = new LaneStates();
  const code = (key: string, value: string): unknown => {
    try {
      states.load(key, Buffer.from(value));
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
    return 'no error';
  };
  expect(code('what/ever', '{}')).toBe('TM_STATE_CORRUPT');
  expect(code(laneKey(laneAt(T0)), '{"v":2}')).toBe('TM_STATE_CORRUPT');
  expect(code(laneKey(laneAt(T0)), 'nonsense')).toBe('TM_STATE_CORRUPT');
});

test('300,000 lanes take less than 200 MB', () => {
  const gc = (globalThis as { gc?: () => void }).gc;
  const used = (): number => {
    gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  const states = new LaneStates();
  const base = laneAt(T0);
  for (let i = 0; i < 300_000; i++) {
    const lane = { ...base, instance: `instance-${i}` };
    states.check(control('open', lane), T0);
    if (i % 5000 === 0) {
      states.takeLedger();
      states.takeDirty();
    }
  }
  states.takeLedger();
  states.takeDirty();
  expect(states.size).toBe(300_000);
  expect((used() - before) / 1e6).toBeLessThan(200);
});
