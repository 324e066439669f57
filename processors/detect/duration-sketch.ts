/** Bins of a doubling: a quantile is within 4.5 % of the true one. */
const PER_DOUBLING = 8;
/** From 64 µs to 1.2 hours; what is shorter or longer counts as that. */
const LEAST_LOG2 = 6;
const BINS = 26 * PER_DOUBLING;

/** Quantiles of durations in microseconds, by a histogram of their logarithms: at most 832 bytes, whatever comes. */
export class DurationSketch {
  #counts: Uint32Array | null = null;
  /** The first durations, before a histogram is worth its memory. */
  #few: number[] = [];
  count = 0;

  add(durationUs: number): void {
    this.count++;
    if (this.#counts === null) {
      this.#few.push(durationUs);
      if (this.#few.length < 32) return;
      this.#counts = new Uint32Array(BINS);
      for (const one of this.#few) this.#bin(this.#counts, one);
      this.#few = [];
    } else this.#bin(this.#counts, durationUs);
  }

  /** Microseconds; NaN where nothing was added. */
  quantile(share: number): number {
    if (this.count === 0) return Number.NaN;
    const rank = share * (this.count - 1);
    if (this.#counts === null) {
      const sorted = [...this.#few].sort((a, b) => a - b);
      return sorted[Math.round(rank)] as number;
    }
    let below = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const count = this.#counts[bin] as number;
      if (count > 0 && rank < below + count)
        return 2 ** (LEAST_LOG2 + (bin + (rank - below + 0.5) / count) / PER_DOUBLING);
      below += count;
    }
    return 2 ** (LEAST_LOG2 + BINS / PER_DOUBLING);
  }

  #bin(counts: Uint32Array, durationUs: number): void {
    const place = Math.floor((Math.log2(Math.max(1, durationUs)) - LEAST_LOG2) * PER_DOUBLING);
    const bin = Math.min(BINS - 1, Math.max(0, place));
    counts[bin] = (counts[bin] as number) + 1;
  }
}
