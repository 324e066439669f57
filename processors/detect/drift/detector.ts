import { Counter } from './counter.ts';
import { Forecast } from './forecast.ts';
import { Season } from './season.ts';
import { SlidingQuantiles } from './sliding-quantiles.ts';
import { Surprise } from './surprise.ts';

/** Values of the long window, which says what is usual. */
const LONG = 512;
/** Values of the short one, which says what is now. */
const SHORT = 24;
/** Values before anything is scored. */
const WARM_UP = 24;
/** About how many values a deviation's rarity is judged by. */
const MEMORY = 4096;
/** What has been told is not news; half of it is again after some 180 values. */
const QUIET = 256;
/** Only what a value deviates by more than one in twenty do is surprising: -log10 of it. */
const USUAL = 1.3;
/** Weight of a forecast's error, which of all deviations is the most often large for no reason. */
const FORECAST_WEIGHT = 0.5;
/** A value is cut off here before a forecast learns from it, in scales. */
const CLIP = 8;
/** A surprise of this many powers of ten is a score of one half. */
const HALF = 4;

/**
 * Drift of one series, whatever it is of: `next` for each value, in order of time. Five deviations are looked at: of the value
 * from the median of the last 512; from what is usual at this hour of the day or week; of the last 24 from the median (a shift
 * of level); of a forecast's error; and of the size of the last 24 errors (more, or less, spread than usual). Each is in robust
 * scales, each is judged by its own history (`Surprise`), and the surprises are added up. Every value costs
 * the same, memory is constant (about 60 kB), and nothing is random.
 */
export class DriftDetector {
  readonly #long = new SlidingQuantiles(LONG);
  readonly #short = new SlidingQuantiles(SHORT);
  readonly #errors = new SlidingQuantiles(LONG);
  readonly #recentErrors = new SlidingQuantiles(SHORT);
  readonly #seasonErrors = new SlidingQuantiles(LONG);
  readonly #season = new Season();
  readonly #forecast = new Forecast();
  readonly #counter = new Counter();
  readonly #value = new Surprise(MEMORY);
  readonly #seasonal = new Surprise(MEMORY);
  readonly #error = new Surprise(MEMORY);
  readonly #level = new Surprise(MEMORY);
  readonly #spread = new Surprise(MEMORY);
  #seen = 0;
  #told = 0;

  /**
   * How abnormal a value is at its time, from 0 to 1: s / (s + 4) of its surprise s, which is about -log10 of the chance to
   * see the like by this series' own history. What goes on scores at its start: a surprise counts as far as it exceeds what
   * was told lately. 0 while too little is known, and for a value that is not finite, which is not learnt from.
   */
  next(timeMs: number, raw: number): number {
    if (!Number.isFinite(raw) || !Number.isFinite(timeMs)) return 0;
    const value = this.#counter.rate(timeMs, raw);
    if (value === null) return 0;
    this.#seen++;
    const surprise = this.#learn(timeMs, value);
    if (this.#seen <= WARM_UP) return 0;
    const news = Math.max(0, surprise - this.#told);
    this.#told = Math.max(this.#told * (1 - 1 / QUIET), surprise);
    const weighed = (news * this.#seen) / (this.#seen + 2 * WARM_UP);
    return weighed / (weighed + HALF);
  }

  /** The surprise of a value; every deviation is judged before it is learnt from. */
  #learn(timeMs: number, value: number): number {
    const median = this.#long.size === 0 ? value : this.#long.median();
    const scale = this.#scale();
    let sum = judged(this.#value, Math.abs(value - median) / scale);

    const expected = this.#season.expected(timeMs);
    if (expected !== null) {
      const usual = this.#seasonErrors.size === 0 ? 0 : this.#seasonErrors.median();
      const error = value - expected;
      sum += judged(
        this.#seasonal,
        Math.abs(error - usual) / Math.max(this.#seasonErrors.scale(), scale * 0.02),
      );
      this.#seasonErrors.add(error);
    }
    this.#season.add(timeMs, value);

    const standard = clip((value - median) / scale, CLIP * 4);
    const error = standard - clip(this.#forecast.next(), CLIP * 4);
    const errorScale = Math.max(this.#errors.scale(), 1e-3);
    sum += FORECAST_WEIGHT * judged(this.#error, Math.abs(error) / errorScale);
    this.#forecast.learn(standard, clip(error, CLIP * errorScale));

    this.#long.add(value);
    this.#short.add(value);
    this.#errors.add(error);
    this.#recentErrors.add(Math.abs(error));
    if (this.#short.size < SHORT) return sum;
    // The median of n values varies by about 1.25 / √n scales.
    const shift = Math.abs(this.#short.median() - median) / scale;
    sum += judged(this.#level, shift * Math.sqrt(SHORT / 2));
    // 0.6745: the median of a normal's absolute values.
    const spread = Math.max(this.#recentErrors.median() / (errorScale * 0.6745), 0.05);
    return sum + judged(this.#spread, Math.max(spread, 1 / spread));
  }

  /** A series that stands still has no scale: then it is a thousandth of its size. */
  #scale(): number {
    if (this.#long.size === 0) return 1e-12;
    const size = Math.max(Math.abs(this.#long.quantile(0.05)), Math.abs(this.#long.quantile(0.95)));
    return Math.max(this.#long.scale(), size * 1e-3, 1e-12);
  }
}

function judged(history: Surprise, deviation: number): number {
  // Differences of the largest numbers overflow: that is as far as can be told.
  const finite = Number.isNaN(deviation) ? 0 : Math.min(deviation, Number.MAX_VALUE);
  const surprise = history.of(finite) - USUAL;
  history.add(finite);
  return Math.max(0, surprise);
}

function clip(value: number, limit: number): number {
  return Number.isNaN(value) ? 0 : Math.max(-limit, Math.min(limit, value));
}
