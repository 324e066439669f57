import type { CompletenessRow } from '../../schemas/calls-topic.ts';
import type { LaneId, RawRecord } from '../../schemas/record.ts';
import type { Dead } from '../stage.ts';
import { append, has, put, type Ranges, size, splits, take } from './ranges.ts';

/** What is known of one lane. Changed in place. */
export interface LaneState {
  opened: boolean;
  expired: boolean;
  highest: number;
  given: number;
  end: number | null;
  dropped: number;
  readonly holes: Ranges;
  readonly dead: Ranges;
  firstMs: number;
  lastMs: number;
}

/** What a record is, and so what is to be done with it. `control` records have done their work. */
export type Verdict =
  | { readonly kind: 'accept'; readonly late: boolean }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'control' }
  | { readonly kind: 'dead'; readonly dead: Dead };

const NEW: Verdict = { kind: 'accept', late: false };
const LATE: Verdict = { kind: 'accept', late: true };
const DUPLICATE: Verdict = { kind: 'duplicate' };
const CONTROL: Verdict = { kind: 'control' };

const DAY_MS = 86_400_000;
/** A lane is forgotten this long after its last record. */
export const LANE_RETENTION_MS = 30 * DAY_MS;
/** An epoch that claims to begin later than this after the log's own time has a wrong clock. */
const EPOCH_AHEAD_MS = DAY_MS;
/**
 * Ranges that a lane may have: its state is one record of the log. The margin is for what a batch may still turn into
 * dead letters.
 */
export const MAX_RANGES = 100_000;
const MARGIN = 10_000;

/** True once nothing may rest on a lane's state any more, and an `open` of its epoch is refused. */
export function isExpired(lastMs: number, epochMs: number, nowMs: number): boolean {
  return nowMs > Math.max(lastMs, epochMs) + LANE_RETENTION_MS;
}

/**
 * A lane as of its first record. Whether a number of an epoch was seen before can only be told while the state of
 * such an epoch could not have expired yet; one that is older never counts by itself.
 */
export function newLane(epochMs: number, nowMs: number): LaneState {
  return {
    opened: false,
    expired: nowMs > epochMs + LANE_RETENTION_MS,
    highest: 0,
    given: 0,
    end: null,
    dropped: 0,
    holes: [],
    dead: [],
    firstMs: nowMs,
    lastMs: nowMs,
  };
}

/** True where a record may begin a lane's state: other control records of an unknown lane say nothing. */
export function begins(record: RawRecord): boolean {
  return record.kind === 'event' || record.kind === 'open';
}

/** One record, in the log's order: the verdict, and the lane as it is after it. */
export function apply(lane: LaneState, record: RawRecord, epochMs: number, nowMs: number): Verdict {
  lane.lastMs = Math.max(lane.lastMs, nowMs);
  switch (record.kind) {
    case 'open':
      if (!lane.expired && epochMs <= nowMs + EPOCH_AHEAD_MS) lane.opened = true;
      return CONTROL;
    case 'alive':
      lane.given = Math.max(lane.given, safe(record.last));
      return CONTROL;
    case 'end':
      lane.given = Math.max(lane.given, safe(record.last));
      lane.end = Math.max(lane.end ?? 0, safe(record.last));
      return CONTROL;
    case 'gap':
      lane.dropped = Math.max(lane.dropped, safe(record.dropped));
      return CONTROL;
    case 'event':
      return number(lane, record.at?.seq ?? 0, record.replayOf !== undefined);
  }
}

/** A count of the wire can be larger than what a number holds exactly. */
function safe(n: number | undefined): number {
  return Math.min(n ?? 0, Number.MAX_SAFE_INTEGER);
}

function number(lane: LaneState, seq: number, isReplay: boolean): Verdict {
  const isAbove = seq > lane.highest;
  const isHole = !isAbove && has(lane.holes, seq);
  const isDead = !isAbove && !isHole && has(lane.dead, seq);
  if (!isAbove && !isHole && !(isDead && isReplay)) return DUPLICATE;
  const refusal = lane.opened || isReplay ? null : lane.expired ? EXPIRED : NOT_OPENED;
  const isFull = (lane.holes.length + lane.dead.length) / 2 > MAX_RANGES - MARGIN;
  if (isFull && (isAbove || splits(isHole ? lane.holes : lane.dead, seq))) return refusal ?? TOO_MANY_HOLES;

  if (isAbove) {
    if (seq > lane.highest + 1) append(lane.holes, lane.highest + 1, seq - 1);
    lane.highest = seq;
    lane.given = Math.max(lane.given, seq);
  } else {
    take(isHole ? lane.holes : lane.dead, seq);
  }
  if (refusal !== null) {
    put(lane.dead, seq);
    return refusal;
  }
  return isAbove ? NEW : LATE;
}

/** A number that was accepted is a dead letter after all: only a replay brings it back. */
export function markDead(lane: LaneState, seq: number): void {
  if (seq <= lane.highest && !has(lane.holes, seq)) put(lane.dead, seq);
}

function refuse(code: string, message: string, hint: string): Verdict {
  return { kind: 'dead', dead: { code, message, hint } };
}

const NOT_OPENED = refuse(
  'TM_LANE_NOT_OPENED',
  'the lane of this number was never opened',
  "Look at the collector's clock and at what was lost before this record, then replay the dead letter.",
);
const EXPIRED = refuse(
  'TM_LANE_EXPIRED',
  `the lane of this number began more than ${LANE_RETENTION_MS / DAY_MS} days ago and is forgotten`,
  'Whether it was counted before is not known any more: look its event id up, and replay the dead letter if it is not there.',
);
const TOO_MANY_HOLES = refuse(
  'TM_LANE_HOLES',
  'the numbers of this lane have too many holes to keep',
  'Mend what makes its events fail or get lost, replay the older dead letters, then this one.',
);

/** Pairs that a ledger row lists. */
const MAX_MISSING = 100;

/**
 * The ledger's line. `missing`: something that happened is known not to be in the table (numbers that an ended lane
 * gave and that did not come, dead letters, dropped events, a lane without its beginning). `complete`: the lane ended
 * and all of it is there. Else `unconfirmed`: numbers may belong to calls that are still open, and more may come.
 */
export function completenessRow(id: LaneId, lane: LaneState): CompletenessRow {
  const missing: [number, number][] = [];
  for (let i = 0; i < lane.holes.length && missing.length < MAX_MISSING; i += 2)
    missing.push([lane.holes[i] as number, lane.holes[i + 1] as number]);
  if (lane.given > lane.highest && missing.length < MAX_MISSING) missing.push([lane.highest + 1, lane.given]);
  const holes = size(lane.holes);
  const dead = size(lane.dead);
  const missingCount = holes + (lane.given - lane.highest);
  const ended = lane.end !== null && lane.end >= lane.given;
  const known = dead > 0 || lane.dropped > 0 || !lane.opened || (ended && missingCount > 0);
  return {
    collector: id.collector,
    instance: id.instance,
    epoch: id.epoch,
    lane: id.lane,
    expected: lane.given,
    landed: lane.highest - holes - dead,
    dead,
    dropped: lane.dropped,
    missing,
    missing_count: missingCount,
    first_seen: new Date(lane.firstMs).toISOString(),
    last_seen: new Date(lane.lastMs).toISOString(),
    ended,
    verdict: known ? 'missing' : ended ? 'complete' : 'unconfirmed',
  };
}
