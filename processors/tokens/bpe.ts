/**
 * Byte pair encoding of one piece in n log n, for pieces that are long: the usual loop over all pairs takes n² and
 * makes a run of 100,000 letters cost seconds. Counts exactly what the loop would.
 */
export class LongPieces {
  /** Rank of each token by its bytes, one UTF-16 unit a byte. */
  readonly #ranks = new Map<string, number>();

  /** `tokens[rank]` is a token's text, or its bytes where they are no text. */
  constructor(tokens: readonly (string | readonly number[] | undefined)[]) {
    for (const [rank, token] of tokens.entries()) {
      if (token === undefined) continue;
      const bytes = typeof token === 'string' ? Buffer.from(token, 'utf8') : Buffer.from(token);
      this.#ranks.set(bytes.toString('latin1'), rank);
    }
  }

  /** Tokens of one piece of text. */
  count(piece: string): number {
    const bytes = Buffer.from(piece, 'utf8').toString('latin1');
    const size = bytes.length;
    if (size === 0) return 0;
    if (this.#ranks.has(bytes)) return 1;
    // A doubly linked list of parts, each from `i` to `ends[i]`; merging i with what follows it leaves i.
    const ends = new Int32Array(size);
    const previous = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      ends[i] = i + 1;
      previous[i] = i - 1;
    }
    /** Rank of each part joined with the next: a heap entry of another rank is stale. */
    const joined = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
    const heap = new Heap();
    const look = (i: number): void => {
      const next = ends[i] as number;
      const rank = next < size ? this.#ranks.get(bytes.slice(i, ends[next])) : undefined;
      joined[i] = rank ?? Number.POSITIVE_INFINITY;
      if (rank !== undefined) heap.push(rank * size + i);
    };
    for (let i = 0; i < size - 1; i++) look(i);
    let count = size;
    // Lowest rank first, leftmost first among equals.
    for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) {
      const rank = Math.floor(entry / size);
      const i = entry - rank * size;
      if (joined[i] !== rank) continue;
      const gone = ends[i] as number;
      ends[i] = ends[gone] as number;
      joined[gone] = Number.POSITIVE_INFINITY;
      if ((ends[i] as number) < size) previous[ends[i] as number] = i;
      count--;
      look(i);
      if ((previous[i] as number) >= 0) look(previous[i] as number);
    }
    return count;
  }
}

/** A binary heap of numbers, least first. */
class Heap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] as number;
      if (above <= item) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const least = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return least;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as number) < (items[child] as number)) child++;
      if ((items[child] as number) >= last) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = last;
    return least;
  }
}
