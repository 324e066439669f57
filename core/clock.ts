/** Where time comes from. Decisions take a clock as an argument; only the rim reads the machine's. */
export interface Clock {
  /** Unix time in milliseconds; may have a fraction. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };
