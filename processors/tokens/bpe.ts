import type { RankTable } from './rank-table.ts';

/** Up to here looking at all pairs for each merge is faster than a heap. Bytes. */
const SHORT = 96;
const NONE = 0x7fffffff;

/**
 * Byte pair encoding, counted: how many tokens the bytes of one piece become. Of all neighbours that make a token
 * together, those with the lowest rank merge first, the leftmost among equals. Takes n log n for n bytes: the usual
 * loop over all pairs takes n² and makes a run of 100,000 letters cost seconds.
 */
export class PairMerger {
  readonly #ranks: RankTable;
  #bytes = Buffer.alloc(3 * 1024);
  /** Of a short piece: where each part begins, and the rank of it and the next one together. */
  readonly #begins = new Int32Array(SHORT + 1);
  readonly #joined = new Int32Array(SHORT + 1);

  constructor(ranks: RankTable) {
    this.#ranks = ranks;
  }

  count(piece: string): number {
    if (piece === '') return 0;
    if (piece.length * 3 > this.#bytes.length) this.#bytes = Buffer.alloc(piece.length * 3);
    const bytes = this.#bytes;
    const size = bytes.write(piece, 'utf8');
    const whole = this.#ranks.rankOf(bytes, 0, size) >= 0;
    const count = whole ? 1 : size <= SHORT ? this.#short(bytes, size) : this.#long(bytes, size);
    // One long piece shall not keep its size in memory for good.
    if (bytes.length > KEPT_BYTES) this.#bytes = Buffer.alloc(3 * 1024);
    return count;
  }

  #rankOf(bytes: Uint8Array, start: number, end: number): number {
    const rank = this.#ranks.rankOf(bytes, start, end);
    return rank < 0 ? NONE : rank;
  }

  #short(bytes: Uint8Array, size: number): number {
    const begins = this.#begins;
    const joined = this.#joined;
    for (let i = 0; i <= size; i++) begins[i] = i;
    for (let i = 0; i < size; i++) joined[i] = i + 2 <= size ? this.#rankOf(bytes, i, i + 2) : NONE;
    let count = size;
    for (;;) {
      let least = NONE;
      let at = -1;
      for (let i = 0; i < count - 1; i++) {
        const rank = joined[i] as number;
        if (rank < least) {
          least = rank;
          at = i;
        }
      }
      if (at < 0) return count;
      begins.copyWithin(at + 1, at + 2, count + 1);
      joined.copyWithin(at + 1, at + 2, count);
      count--;
      joined[at] = this.#joint(bytes, at, count);
      if (at > 0) joined[at - 1] = this.#joint(bytes, at - 1, count);
    }
  }

  /** Rank of parts `at` and `at + 1` of a short piece of `count` parts. */
  #joint(bytes: Uint8Array, at: number, count: number): number {
    if (at + 2 > count) return NONE;
    return this.#rankOf(bytes, this.#begins[at] as number, this.#begins[at + 2] as number);
  }

  #long(bytes: Uint8Array, size: number): number {
    // A doubly linked list of parts, each from `i` to `ends[i]`; merging i with what follows it leaves i.
    const ends = new Int32Array(size);
    const previous = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      ends[i] = i + 1;
      previous[i] = i - 1;
    }
    /** Rank of each part joined with the next: a heap entry of another rank is stale. */
    const joined = new Int32Array(size).fill(NONE);
    const heap = new Heap();
    const look = (i: number): void => {
      const next = ends[i] as number;
      const rank = next < size ? this.#rankOf(bytes, i, ends[next] as number) : NONE;
      joined[i] = rank;
      if (rank !== NONE) heap.push(rank * size + i);
    };
    for (let i = 0; i < size - 1; i++) look(i);
    let count = size;
    for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) {
      const rank = Math.floor(entry / size);
      const i = entry - rank * size;
      if (joined[i] !== rank) continue;
      const gone = ends[i] as number;
      ends[i] = ends[gone] as number;
      joined[gone] = NONE;
      if ((ends[i] as number) < size) previous[ends[i] as number] = i;
      count--;
      look(i);
      if ((previous[i] as number) >= 0) look(previous[i] as number);
    }
    return count;
  }
}

const KEPT_BYTES = 64 * 1024;

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
