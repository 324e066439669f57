/** The last `capacity` values of closed windows, and their median and spread. */
export class Baseline {
  #values: number[] = [];
  #next = 0;

  get size(): number {
    return this.#values.length;
  }

  add(value: number, capacity: number): void {
    if (this.#values.length < capacity) this.#values.push(value);
    else this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % capacity;
  }

  /** Median, and the median absolute deviation from it times 1.4826 (a normal's standard deviation). NaN of nothing. */
  summary(): { readonly median: number; readonly spread: number } {
    const median = middle([...this.#values]);
    return { median, spread: 1.4826 * middle(this.#values.map((value) => Math.abs(value - median))) };
  }
}

function middle(values: number[]): number {
  if (values.length === 0) return Number.NaN;
  values.sort((a, b) => a - b);
  const half = values.length >> 1;
  return values.length % 2 === 1
    ? (values[half] as number)
    : ((values[half - 1] as number) + (values[half] as number)) / 2;
}
