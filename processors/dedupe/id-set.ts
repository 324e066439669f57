/** Bytes of an id's hash. */
export const ID_BYTES = 16;
const WORDS = ID_BYTES / 4;

/**
 * A set of 16-byte hashes in one typed array (open addressing, linear probing, at most 70 % full): 23–46 bytes an id,
 * where a `Set` of strings takes over 400. The all-zero hash marks free places and is never one in practice
 * (SHA-256 would have to begin with 128 zero bits).
 */
export class IdSet {
  #table = new Uint32Array(64 * WORDS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(id: Uint8Array): boolean {
    return this.#place(this.#table, words(id)) < 0;
  }

  /** True where it was not in yet. */
  add(id: Uint8Array): boolean {
    if ((this.#size + 1) * 10 > (this.#table.length / WORDS) * 7) this.#grow();
    const hash = words(id);
    const at = this.#place(this.#table, hash);
    if (at < 0) return false;
    this.#table.set(hash, at);
    this.#size++;
    return true;
  }

  /** Index of the free place where a hash belongs, or a negative number where it is in. */
  #place(table: Uint32Array, hash: Uint32Array | readonly number[]): number {
    const mask = table.length / WORDS - 1;
    for (let slot = (hash[0] as number) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      if ((table[at] as number) === 0 && table[at + 1] === 0 && table[at + 2] === 0 && table[at + 3] === 0)
        return at;
      if (
        table[at] === hash[0] &&
        table[at + 1] === hash[1] &&
        table[at + 2] === hash[2] &&
        table[at + 3] === hash[3]
      )
        return -1;
    }
  }

  #grow(): void {
    const old = this.#table;
    const table = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += WORDS) {
      const hash = old.subarray(at, at + WORDS);
      if (hash[0] === 0 && hash[1] === 0 && hash[2] === 0 && hash[3] === 0) continue;
      table.set(hash, this.#place(table, hash));
    }
    this.#table = table;
  }
}

function words(id: Uint8Array): number[] {
  const view = new DataView(id.buffer, id.byteOffset, ID_BYTES);
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
}
