/** Values that must have been seen before a series is taken for a counter. */
const ENOUGH = 64;
/** Share of steps that must go up, and share that may go down (a restart begins again). */
const UP = 0.8;
const DOWN = 0.02;

/**
 * Tells a counter (it only grows, but for restarts) from a gauge, and turns a counter into its rate: change a
 * millisecond. A restart has no rate. While it is undecided, values pass as they are.
 */
export class Counter {
  #seen = 0;
  #ups = 0;
  #downs = 0;
  #lastMs = Number.NaN;
  #last = Number.NaN;
  #counting = false;

  /** The value to judge, or null where there is none. */
  rate(timeMs: number, value: number): number | null {
    const change = value - this.#last;
    const elapsedMs = timeMs - this.#lastMs;
    this.#last = value;
    this.#lastMs = timeMs;
    if (Number.isNaN(change)) return value;
    this.#seen++;
    if (change > 0) this.#ups++;
    if (change < 0) this.#downs++;
    if (this.#seen >= ENOUGH)
      this.#counting = this.#ups >= this.#seen * UP && this.#downs <= this.#seen * DOWN;
    if (!this.#counting) return value;
    return change < 0 ? null : change / Math.max(1, elapsedMs || 1);
  }
}
