const HOUR_MS = 3_600_000;
/** Cycles (days, weeks) kept of a slot, and of each its last values: however small the step, several cycles are held. */
const CYCLES_HELD = 8;
const PER_CYCLE = 4;
const HELD = CYCLES_HELD * PER_CYCLE;
/** Days, weeks, that must have been seen of a slot before it says what is usual. */
const CYCLES = 3;

interface Slot {
  readonly values: Float64Array;
  /** Cycle (day or week number) of each value. */
  readonly cycles: Int32Array;
  /** Cycles begun, and values in the one that runs. */
  begun: number;
  inCycle: number;
  lastCycle: number;
}

/**
 * What is usual at this hour of the day, and of the week: the median of what was seen at it in earlier days (weeks).
 * Hours are UTC: of a zone with summer time the pattern shifts twice a year and is learnt again. At most 24 + 168
 * slots of 32 values.
 */
export class Season {
  readonly #day = new Map<number, Slot>();
  readonly #week = new Map<number, Slot>();

  /** Median of the hour of the week, else of the hour of the day, else null: too little has been seen. */
  expected(timeMs: number): number | null {
    const hour = Math.floor(timeMs / HOUR_MS);
    return (
      usual(this.#week.get(hour % 168), Math.floor(hour / 168)) ??
      usual(this.#day.get(hour % 24), Math.floor(hour / 24))
    );
  }

  add(timeMs: number, value: number): void {
    const hour = Math.floor(timeMs / HOUR_MS);
    put(this.#day, hour % 24, Math.floor(hour / 24), value);
    put(this.#week, hour % 168, Math.floor(hour / 168), value);
  }
}

function put(slots: Map<number, Slot>, key: number, cycle: number, value: number): void {
  let slot = slots.get(key);
  if (slot === undefined) {
    slot = {
      values: new Float64Array(HELD).fill(Number.NaN),
      cycles: new Int32Array(HELD),
      begun: 0,
      inCycle: 0,
      lastCycle: Number.NaN,
    };
    slots.set(key, slot);
  }
  if (cycle !== slot.lastCycle) {
    slot.begun++;
    slot.inCycle = 0;
    slot.lastCycle = cycle;
  }
  const at = (slot.begun % CYCLES_HELD) * PER_CYCLE + (slot.inCycle++ % PER_CYCLE);
  slot.values[at] = value;
  slot.cycles[at] = cycle;
}

function usual(slot: Slot | undefined, cycle: number): number | null {
  if (slot === undefined || slot.begun < CYCLES) return null;
  const earlier: number[] = [];
  for (let i = 0; i < HELD; i++) {
    const value = slot.values[i] as number;
    if (slot.cycles[i] !== cycle && !Number.isNaN(value)) earlier.push(value);
  }
  if (earlier.length < CYCLES) return null;
  earlier.sort((a, b) => a - b);
  return ((earlier[earlier.length >> 1] as number) + (earlier[(earlier.length - 1) >> 1] as number)) / 2;
}
