/** Sub-bins of a doubling: neighbours differ by 9 %. */
const PER_DOUBLING = 8;
const LEAST_LOG2 = -10;
const MOST_LOG2 = 40;
const BINS = (MOST_LOG2 - LEAST_LOG2) * PER_DOUBLING;
/** What lies above this share of the history is its tail. */
const TAIL = 0.05;
/** Before anything is known, a tail is as heavy as that of Student's t with 4 degrees of freedom … */
const PRIOR_ALPHA = 4;
/** … and counts as much as this many values of it. */
const PRIOR_WEIGHT = 4;

/**
 * How rare a deviation is by the history of such deviations: -log10 of the chance to see one as large. Within the
 * history that is its rank; beyond its 95 % quantile the tail is a Pareto one, whose exponent is Hill's estimate (B. M. Hill,
 * "A simple general approach to inference about the tail of a distribution", 1975) drawn towards a prior. So a
 * series that often jumps is not surprised by a jump, and a quiet one is. Memory: one histogram of logarithms.
 */
export class Surprise {
  readonly #bins = new Float64Array(BINS);
  /** Log2 of the value at which the tail begins, and Hill's exponent; kept until the next `REFRESH` values. */
  #n = 0;
  #tailStart = LEAST_LOG2;
  #alpha = PRIOR_ALPHA;
  #above = 1;
  #sinceRefresh = 0;
  readonly #forgetAt: number;

  /** `memory`: about how many values count; when twice as many are held, all are halved. */
  constructor(memory: number) {
    this.#forgetAt = memory * 2;
  }

  /** Surprise of a deviation ≥ 0 before it is added; 0 while next to nothing is known. */
  of(deviation: number): number {
    if (!(deviation > 0) || this.#n < 1) return 0;
    const place = Math.log2(deviation);
    if (place <= this.#tailStart) {
      // Inside the bulk nothing is surprising; a straight line to the tail keeps the order.
      return -Math.log10(TAIL) * Math.max(0, 1 - (this.#tailStart - place) / 4);
    }
    return -Math.log10(this.#above) + this.#alpha * (place - this.#tailStart) * Math.LOG10E * Math.LN2;
  }

  add(deviation: number): void {
    const place = deviation > 0 ? Math.log2(deviation) : LEAST_LOG2;
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor((place - LEAST_LOG2) * PER_DOUBLING)));
    this.#bins[bin] = (this.#bins[bin] as number) + 1;
    this.#n++;
    if (this.#n >= this.#forgetAt) {
      for (let i = 0; i < BINS; i++) this.#bins[i] = (this.#bins[i] as number) / 2;
      this.#n /= 2;
    }
    if (++this.#sinceRefresh >= Math.min(32, Math.max(1, this.#n >> 3))) this.#refresh();
  }

  #refresh(): void {
    this.#sinceRefresh = 0;
    const wanted = this.#n * TAIL;
    let above = 0;
    let bin = BINS;
    while (bin > 0 && above + (this.#bins[bin - 1] as number) <= wanted) {
      bin--;
      above += this.#bins[bin] as number;
    }
    // The histogram's lower end says nothing of how a tail begins: a deviation below one scale is none.
    this.#tailStart = Math.max(0, LEAST_LOG2 + bin / PER_DOUBLING);
    let logs = 0;
    let held = 0;
    for (let i = BINS - 1; i >= 0; i--) {
      const place = LEAST_LOG2 + (i + 0.5) / PER_DOUBLING;
      if (place <= this.#tailStart) break;
      logs += (this.#bins[i] as number) * (place - this.#tailStart) * Math.LN2;
      held += this.#bins[i] as number;
    }
    this.#above = Math.min(1, Math.max(held, PRIOR_WEIGHT * TAIL * 4, 1) / (this.#n + PRIOR_WEIGHT));
    this.#alpha = (held + PRIOR_WEIGHT) / (logs + PRIOR_WEIGHT / PRIOR_ALPHA);
  }
}
