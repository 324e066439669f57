/** Numbers that a slot takes: its index, its calls, its refused calls. */
const STRIDE = 3;

/**
 * Calls of a key in slots of event time, ascending, only those that hold any: a key that calls once costs three
 * numbers. Counts only grow, and don't depend on the order of arrival.
 */
export class SlotCounts {
  #slots: number[] = [];

  /**
   * Counts a call; false where it is older than what is held: `held` slots up to the newest.
   */
  add(slot: number, refused: boolean, held: number): boolean {
    const slots = this.#slots;
    const newest = slots.length === 0 ? slot : (slots[slots.length - STRIDE] as number);
    if (slot <= newest - held) return false;
    let at = slots.length;
    while (at > 0 && (slots[at - STRIDE] as number) > slot) at -= STRIDE;
    if (at > 0 && slots[at - STRIDE] === slot) {
      slots[at - 2] = (slots[at - 2] as number) + 1;
    } else {
      slots.splice(at, 0, slot, 0, 0);
      at += STRIDE;
      slots[at - 2] = 1;
    }
    if (refused) slots[at - 1] = (slots[at - 1] as number) + 1;
    let old = 0;
    while ((slots[old] as number) <= Math.max(newest, slot) - held) old += STRIDE;
    if (old > 0) slots.splice(0, old);
    return true;
  }

  /** All calls held. */
  total(): number {
    let sum = 0;
    for (let i = 1; i < this.#slots.length; i += STRIDE) sum += this.#slots[i] as number;
    return sum;
  }

  /**
   * Visits slots in order with the calls by which a bucket would be overdrawn if it were just full at the start of the worst
   * span that ends there: the largest, over all spans, of calls - gain × length.
   */
  overdraw(gainPerSlot: number, visit: (slot: number, excess: number) => void): void {
    let excess = 0;
    let last = 0;
    for (let i = 0; i < this.#slots.length; i += STRIDE) {
      const slot = this.#slots[i] as number;
      // Slots without a call between the last and this one only fill the bucket.
      if (i > 0) excess = Math.max(0, excess - gainPerSlot * (slot - last - 1));
      excess = Math.max(0, excess) + (this.#slots[i + 1] as number) - gainPerSlot;
      visit(slot, excess);
      last = slot;
    }
  }

  /** Visits slots in order with the calls and refused calls, and slots that hold refused ones, of the `span` that ends there. */
  sums(
    span: number,
    visit: (slot: number, calls: number, refused: number, slotsRefused: number) => void,
  ): void {
    const slots = this.#slots;
    let from = 0;
    let calls = 0;
    let refused = 0;
    let slotsRefused = 0;
    for (let i = 0; i < slots.length; i += STRIDE) {
      const slot = slots[i] as number;
      calls += slots[i + 1] as number;
      refused += slots[i + 2] as number;
      if ((slots[i + 2] as number) > 0) slotsRefused++;
      for (; (slots[from] as number) <= slot - span; from += STRIDE) {
        calls -= slots[from + 1] as number;
        refused -= slots[from + 2] as number;
        if ((slots[from + 2] as number) > 0) slotsRefused--;
      }
      visit(slot, calls, refused, slotsRefused);
    }
  }
}
