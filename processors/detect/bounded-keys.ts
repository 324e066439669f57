/** State of a key; `used` is set whenever it is asked for. */
export interface KeyState {
  used: boolean;
}

/**
 * State by key, of at most `max` keys. For a new key over that, the least recently used goes (second chance: one
 * that was used since it was last looked at goes to the end of the line instead), and is counted.
 */
export class BoundedKeys<T extends KeyState> {
  readonly #states = new Map<string, T>();
  readonly #max: number;
  /** Goes on where it was: to begin again would be to step over all that was deleted before it. */
  #oldest = this.#states.entries();
  evicted = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#states.size;
  }

  get(key: string): T | undefined {
    const state = this.#states.get(key);
    if (state !== undefined) state.used = true;
    return state;
  }

  add(key: string, state: T): T {
    if (this.#states.size >= this.#max) this.#evict();
    this.#states.set(key, state);
    return state;
  }

  values(): MapIterator<T> {
    return this.#states.values();
  }

  #evict(): void {
    for (;;) {
      const { done, value } = this.#oldest.next();
      if (done === true) {
        this.#oldest = this.#states.entries();
        continue;
      }
      const [key, state] = value;
      this.#states.delete(key);
      if (!state.used) {
        this.evicted++;
        return;
      }
      state.used = false;
      this.#states.set(key, state);
    }
  }
}
