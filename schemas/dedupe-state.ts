import { z } from 'zod';
import { CoordinatesSchema, type LaneId } from './record.ts';

/**
 * What dedupe knows, on the compacted `mcp.state.v1`: one key a lane (`lane/…`, JSON), and keys of packed ids of
 * foreign events (`<set>/<bucket>/<chunk>`, 16 bytes an id).
 */
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Sorted ranges of numbers as steps: from the end of the range before to the first number, then to the last one. */
const steps = z.array(count);

export const LaneStateSchema = z.strictObject({
  v: z.literal(1),
  /** Its `open` has been seen. */
  opened: z.boolean(),
  /** Its state had expired when a number came: what landed before is not known any more. */
  expired: z.boolean(),
  /** Highest number that has arrived. */
  highest: count,
  /** Highest number that is known to have been given, from events, `alive` and `end`. */
  given: count,
  /** The number that `end` named; null before one came. */
  end: count.nullable(),
  /** Events that the collector dropped, as of its last `gap`. */
  dropped: count,
  /** Numbers below `highest` that have not arrived. */
  holes: steps,
  /** Numbers that are in the dead-letter topic. */
  dead: steps,
  /** Append times of its first and last record, Unix ms. */
  first_ms: z.number(),
  last_ms: z.number(),
  /** The ledger has not been told of this state yet. */
  untold: z.boolean(),
});
export type StoredLaneState = z.infer<typeof LaneStateSchema>;

const LANE_PREFIX = 'lane/';

export function laneKey(lane: LaneId): string {
  return `${LANE_PREFIX}${lane.collector}/${lane.instance}/${lane.epoch}/${lane.lane}`;
}

/** The lane of a key, or null where it is not a lane's. */
export function readLaneKey(key: string): LaneId | null {
  if (!key.startsWith(LANE_PREFIX)) return null;
  const [collector, instance, epoch, lane] = key.slice(LANE_PREFIX.length).split('/');
  const parsed = CoordinatesSchema.safeParse({ collector, instance, epoch, lane: Number(lane), seq: 1 });
  if (!parsed.success) return null;
  const { seq: _, ...id } = parsed.data;
  return id;
}

/** Sets of foreign ids: those that came in, those of them that are dead letters, those that a replay brought in. */
export const FOREIGN_SETS = ['seen', 'dead', 'replayed'] as const;
export type ForeignSet = (typeof FOREIGN_SETS)[number];

export interface ForeignChunk {
  readonly set: ForeignSet;
  /** Number of its span of time since the Unix epoch. */
  readonly bucket: number;
  readonly chunk: number;
}

export function foreignKey({ set, bucket, chunk }: ForeignChunk): string {
  return `${set}/${bucket}/${chunk}`;
}

export function readForeignKey(key: string): ForeignChunk | null {
  const match = /^([a-z]+)\/(\d{1,9})\/(\d{1,9})$/.exec(key);
  const set = FOREIGN_SETS.find((name) => name === match?.[1]);
  return match === null || set === undefined
    ? null
    : { set, bucket: Number(match[2]), chunk: Number(match[3]) };
}
