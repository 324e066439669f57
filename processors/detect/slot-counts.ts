/** Numbers that a slot takes: its index, its calls, its refused calls. */
const STRIDE = 3;

/**
 * Calls of a key in slots of event time, ascending, only those that hold any: a key that calls once costs three
 * numbers. Counts only grow, and don't depend on the order of arrival.
 */
export class SlotCounts {
  #slots: number[] | null = null;

  /** Counts a call; false where it is older than what is held: `held` slots up to the newest. */
  add(slot: number, refused: boolean, held: number): boolean {
    const slots = this.#slots;
    if (slots === null) {
      // A literal has no spare room: most keys never need a second slot.
      this.#slots = [slot, 1, refused ? 1 : 0];
      return true;
    }
    const newest = slots[slots.length - STRIDE] as number;
    if (slot <= newest - held) return false;
    let at = slots.length - STRIDE;
    while (at >= 0 && (slots[at] as number) > slot) at -= STRIDE;
    if (at < 0 || slots[at] !== slot) {
      at += STRIDE;
      slots.splice(at, 0, slot, 0, 0);
    }
    slots[at + 1] = (slots[at + 1] as number) + 1;
    if (refused) slots[at + 2] = (slots[at + 2] as number) + 1;
    if (slot > newest) {
      let old = 0;
      while ((slots[old] as number) <= slot - held) old += STRIDE;
      if (old > 0) slots.splice(0, old);
    }
    return true;
  }

  /** All calls held. */
  total(): number {
    const slots = this.#slots ?? [];
    let sum = 0;
    for (let i = 1; i < slots.length; i += STRIDE) sum += slots[i] as number;
    return sum;
  }

  /** Visits slots in order, from `from` on, with what the `span` of slots that ends there holds. */
  visit(from: number, span: number, gainPerSlot: number, visit: (sums: SlotSums) => void): void {
    const slots = this.#slots ?? [];
    let first = 0;
    let last = 0;
    let excess = 0;
    let [calls, refused, slotsRefused] = [0, 0, 0];
    for (let i = 0; i < slots.length; i += STRIDE) {
      const slot = slots[i] as number;
      const [here, refusedHere] = [slots[i + 1] as number, slots[i + 2] as number];
      // Slots without a call between the last and this one only fill the bucket.
      if (i > 0) excess = Math.max(0, excess - gainPerSlot * (slot - last - 1));
      excess = Math.max(0, excess) + here - gainPerSlot;
      last = slot;
      calls += here;
      refused += refusedHere;
      if (refusedHere > 0) slotsRefused++;
      for (; (slots[first] as number) <= slot - span; first += STRIDE) {
        calls -= slots[first + 1] as number;
        refused -= slots[first + 2] as number;
        if ((slots[first + 2] as number) > 0) slotsRefused--;
      }
      if (slot >= from) visit({ slot, calls, refused, slotsRefused, excess });
    }
  }
}

export interface SlotSums {
  readonly slot: number;
  /** Of the span that ends with the slot. */
  readonly calls: number;
  readonly refused: number;
  /** Slots of it that hold refused calls. */
  readonly slotsRefused: number;
  /**
   * Calls by which a bucket is overdrawn that gains `gainPerSlot`: the largest, over all runs of slots that end here,
   * of calls - gain × length.
   */
  readonly excess: number;
}
