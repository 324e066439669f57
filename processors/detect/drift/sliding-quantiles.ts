/**
 * Quantiles of the last `capacity` values: a ring in order of arrival and the same values sorted. Adding costs two
 * binary searches and one move of at most `capacity` numbers; asking costs nothing. Only finite values may be added.
 */
export class SlidingQuantiles {
  readonly #ring: Float64Array;
  readonly #sorted: Float64Array;
  #size = 0;
  #next = 0;

  constructor(capacity: number) {
    this.#ring = new Float64Array(capacity);
    this.#sorted = new Float64Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  add(value: number): void {
    const sorted = this.#sorted;
    if (this.#size === this.#ring.length) {
      const out = this.#rank(this.#ring[this.#next] as number);
      const into = this.#rank(value);
      // The gap that the oldest leaves moves to where the newest belongs.
      if (into > out) {
        sorted.copyWithin(out, out + 1, into);
        sorted[into - 1] = value;
      } else {
        sorted.copyWithin(into + 1, into, out);
        sorted[into] = value;
      }
    } else {
      const into = this.#rank(value);
      sorted.copyWithin(into + 1, into, this.#size);
      sorted[into] = value;
      this.#size++;
    }
    this.#ring[this.#next] = value;
    this.#next = (this.#next + 1) % this.#ring.length;
  }

  /** Interpolated between neighbours; NaN where nothing has been added. `share` from 0 to 1. */
  quantile(share: number): number {
    if (this.#size === 0) return Number.NaN;
    const place = share * (this.#size - 1);
    const low = Math.floor(place);
    const below = this.#sorted[low] as number;
    if (place === low) return below;
    const above = this.#sorted[low + 1] as number;
    return below + (above - below) * (place - low);
  }

  median(): number {
    return this.quantile(0.5);
  }

  /**
   * Spread in the unit of the values, equal to the standard deviation where they are normal: the interquartile range
   * over 1.349; of values more than half of which are one, the range of the middle 90 % over 3.29; else 0.
   */
  scale(): number {
    if (this.#size < 4) return 0;
    const quartiles = this.quantile(0.75) - this.quantile(0.25);
    return quartiles > 0 ? quartiles / 1.349 : (this.quantile(0.95) - this.quantile(0.05)) / 3.29;
  }

  /** The value that was added `ago` values before the last; NaN where it is not held. */
  recent(ago: number): number {
    if (ago >= this.#size) return Number.NaN;
    const length = this.#ring.length;
    return this.#ring[(this.#next - 1 - ago + 2 * length) % length] as number;
  }

  /** Index of the first sorted value that is not less. */
  #rank(value: number): number {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
