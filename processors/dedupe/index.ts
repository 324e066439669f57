import { ToolmeterError } from '../../core/errors.ts';
import { uuidv7TimeMs } from '../../core/ids.ts';
import type { CompletenessRow } from '../../schemas/calls-topic.ts';
import {
  LaneStateSchema,
  laneKey,
  readForeignKey,
  readLaneKey,
  type StoredLaneState,
} from '../../schemas/dedupe-state.ts';
import type { LaneId, RawRecord } from '../../schemas/record.ts';
import { ForeignIds } from './foreign.ts';
import {
  apply,
  begins,
  completenessRow,
  isExpired,
  type LaneState,
  markDead,
  newLane,
  type Verdict,
} from './lane.ts';
import { LaneTable } from './lane-table.ts';
import { fromSteps, toSteps } from './ranges.ts';

export { FOREIGN_WINDOW_MS } from './foreign.ts';
export { LANE_RETENTION_MS, type Verdict } from './lane.ts';

/** A change of the compacted state topic; null deletes the key. */
export interface StateChange {
  readonly key: string;
  readonly value: string | Uint8Array | null;
}

/** What nothing rests on any more is looked for this often, in the log's own time. */
const SWEEP_MS = 10 * 60_000;

/**
 * Dedupe and completeness of one partition: a state machine over its records, in order. It is a function of the
 * records and their append times alone (no clock), so whoever reads the same log comes to the same verdicts.
 *
 * Call `check` once a record, `markDead` for those of the batch that fail later, then `takeLedger` (when it is time)
 * and `takeDirty`, and write what they give in the batch's one transaction. There is no way back: where that
 * transaction fails, throw this object away and build one anew from the state topic.
 */
export class LaneStates {
  readonly #lanes = new LaneTable();
  readonly #foreign: ForeignIds;
  readonly #dirty = new Set<string>();
  readonly #untold = new Set<string>();
  /** Latest append time seen: the only "now". */
  #nowMs = 0;
  #sweptAtMs = 0;

  constructor(options: { readonly maxForeignIds?: number } = {}) {
    this.#foreign = new ForeignIds(options.maxForeignIds);
  }

  /** How many lanes are known. */
  get size(): number {
    return this.#lanes.size;
  }

  /**
   * One key of the state topic; the last value of a key stands.
   * @throws ToolmeterError TM_STATE_CORRUPT where it isn't one of ours.
   */
  load(key: string, value: Uint8Array): void {
    const chunk = readForeignKey(key);
    if (chunk !== null) {
      this.#foreign.load(chunk, value);
      return;
    }
    if (readLaneKey(key) === null) throw corrupt(key, 'no such key');
    const stored = parseLane(key, value);
    this.#lanes.set(key, fromStored(stored), stored.untold);
    this.#nowMs = Math.max(this.#nowMs, stored.last_ms);
    if (stored.untold) this.#untold.add(key);
    else this.#untold.delete(key);
  }

  /** What a record is. Changes the state: once a record, in the log's order. */
  check(record: RawRecord, appendedAtMs: number): Verdict {
    this.#nowMs = Math.max(this.#nowMs, appendedAtMs);
    if (record.at === undefined) return this.#foreign.check(record, this.#nowMs);
    const key = laneKey(record.at);
    const epochMs = uuidv7TimeMs(record.at.epoch);
    let lane = this.#lanes.get(key);
    if (lane !== undefined && isExpired(lane.lastMs, epochMs, this.#nowMs)) lane = undefined;
    if (lane === undefined) {
      if (!begins(record)) return { kind: 'control' };
      lane = newLane(epochMs, this.#nowMs);
    }
    const verdict = apply(lane, record, epochMs, this.#nowMs);
    this.#put(key, lane);
    return verdict;
  }

  /** A record of this batch that was accepted is a dead letter after all: a replay may fill it, once. */
  markDead(record: RawRecord): void {
    if (record.at === undefined) {
      this.#foreign.markDead(record, this.#nowMs);
      return;
    }
    const key = laneKey(record.at);
    const lane = this.#lanes.get(key);
    if (lane === undefined || record.at.seq === undefined) return;
    markDead(lane, record.at.seq);
    this.#put(key, lane);
  }

  /** Lines of the ledger that changed since they were last taken. */
  takeLedger(): CompletenessRow[] {
    const rows: CompletenessRow[] = [];
    for (const key of this.#untold) {
      const lane = this.#lanes.get(key);
      const id = readLaneKey(key);
      if (lane === undefined || id === null) continue;
      this.#lanes.setTold(key);
      this.#dirty.add(key);
      if (!lane.expired) rows.push(completenessRow(id, lane));
    }
    this.#untold.clear();
    return rows;
  }

  /** The ledger of all lanes, as of now. */
  *completeness(): Generator<CompletenessRow> {
    for (const key of this.#lanes.keys()) {
      const lane = this.#lanes.get(key);
      const id: LaneId | null = readLaneKey(key);
      if (lane !== undefined && id !== null && !lane.expired) yield completenessRow(id, lane);
    }
  }

  /** Changes of the state since they were last taken. */
  takeDirty(): StateChange[] {
    const changes: StateChange[] = [];
    if (this.#nowMs - this.#sweptAtMs >= SWEEP_MS) this.#sweep(changes);
    for (const key of this.#dirty) {
      const lane = this.#lanes.get(key);
      if (lane !== undefined) changes.push({ key, value: toStored(lane, this.#lanes.isUntold(key)) });
    }
    this.#dirty.clear();
    changes.push(...this.#foreign.takeDirty());
    return changes;
  }

  #put(key: string, lane: LaneState): void {
    this.#lanes.set(key, lane, true);
    this.#dirty.add(key);
    this.#untold.add(key);
  }

  #sweep(changes: StateChange[]): void {
    this.#sweptAtMs = this.#nowMs;
    for (const key of this.#lanes.keys()) {
      if (this.#untold.has(key)) continue;
      const epoch = readLaneKey(key)?.epoch ?? '';
      if (!isExpired(this.#lanes.lastMs(key), uuidv7TimeMs(epoch), this.#nowMs)) continue;
      this.#lanes.delete(key);
      this.#dirty.delete(key);
      changes.push({ key, value: null });
    }
    for (const key of this.#foreign.sweep(this.#nowMs)) changes.push({ key, value: null });
  }
}

function toStored(lane: LaneState, untold: boolean): string {
  const stored: StoredLaneState = {
    v: 1,
    opened: lane.opened,
    expired: lane.expired,
    highest: lane.highest,
    given: lane.given,
    end: lane.end,
    dropped: lane.dropped,
    holes: toSteps(lane.holes),
    dead: toSteps(lane.dead),
    first_ms: lane.firstMs,
    last_ms: lane.lastMs,
    untold,
  };
  return JSON.stringify(stored);
}

function fromStored(stored: StoredLaneState): LaneState {
  return {
    opened: stored.opened,
    expired: stored.expired,
    highest: stored.highest,
    given: stored.given,
    end: stored.end,
    dropped: stored.dropped,
    holes: fromSteps(stored.holes),
    dead: fromSteps(stored.dead),
    firstMs: stored.first_ms,
    lastMs: stored.last_ms,
  };
}

function parseLane(key: string, value: Uint8Array): StoredLaneState {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8'));
  } catch {
    throw corrupt(key, 'the value is not JSON');
  }
  const result = LaneStateSchema.safeParse(parsed);
  if (!result.success) throw corrupt(key, result.error.issues[0]?.message ?? 'it does not fit the schema');
  return result.data;
}

function corrupt(key: string, why: string): ToolmeterError {
  return new ToolmeterError(
    'TM_STATE_CORRUPT',
    `The state topic has a key that can't be read (${key}): ${why}.`,
    'Was it written by a newer version? Update this one. Nothing is processed before it can be read.',
  );
}
