/** Values that a forecast looks back on. */
const ORDER = 12;
/** Weight of the past a step: about the last 1,000 values count. */
const FORGETTING = 0.999;

/**
 * The next value of a standardised series from its last 12, by recursive least squares (Haykin, "Adaptive Filter
 * Theory", ch. 10) with forgetting. What lies far off is clipped before it is learnt from, so that one
 * spike does not bend it. Constant time and memory a value.
 */
export class Forecast {
  readonly #weights = new Float64Array(ORDER + 1);
  readonly #past = new Float64Array(ORDER + 1).fill(0);
  readonly #p = new Float64Array((ORDER + 1) ** 2);
  readonly #gain = new Float64Array(ORDER + 1);

  constructor() {
    this.#reset();
    this.#past[ORDER] = 1;
  }

  next(): number {
    let sum = 0;
    for (let i = 0; i <= ORDER; i++) sum += (this.#weights[i] as number) * (this.#past[i] as number);
    return sum;
  }

  /** Learns from the value that followed; `error` is how far it was from `next()`, clipped. */
  learn(value: number, error: number): void {
    const size = ORDER + 1;
    const [p, past, gain, weights] = [this.#p, this.#past, this.#gain, this.#weights];
    let denominator = FORGETTING;
    for (let i = 0; i < size; i++) {
      let sum = 0;
      for (let j = 0; j < size; j++) sum += (p[i * size + j] as number) * (past[j] as number);
      gain[i] = sum;
      denominator += sum * (past[i] as number);
    }
    let trace = 0;
    if (denominator > 1e-12 && Number.isFinite(denominator)) {
      for (let i = 0; i < size; i++)
        weights[i] = (weights[i] as number) + ((gain[i] as number) / denominator) * error;
      for (let i = 0; i < size; i++) {
        for (let j = 0; j <= i; j++) {
          const updated =
            ((p[i * size + j] as number) - ((gain[i] as number) * (gain[j] as number)) / denominator) /
            FORGETTING;
          p[i * size + j] = updated;
          p[j * size + i] = updated;
        }
        trace += p[i * size + i] as number;
      }
    } else trace = Number.POSITIVE_INFINITY;
    // A series that stands still winds the covariance up without bound.
    if (!(trace > 0 && trace < 1e6)) this.#reset();
    past.copyWithin(1, 0, ORDER - 1);
    past[0] = value;
  }

  #reset(): void {
    this.#p.fill(0);
    for (let i = 0; i <= ORDER; i++) this.#p[i * (ORDER + 1) + i] = 10;
  }
}
