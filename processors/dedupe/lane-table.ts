import type { LaneState } from './lane.ts';
import type { Ranges } from './ranges.ts';

const COLUMNS = ['highest', 'given', 'end', 'dropped', 'firstMs', 'lastMs'] as const;
type Column = (typeof COLUMNS)[number];

const OPENED = 1;
const EXPIRED = 2;
const UNTOLD = 4;
const NO_END = -1;

/**
 * Lanes by key, packed into columns: 300,000 of them take some 80 MB where objects took 489. Few have holes; those
 * are kept beside.
 */
export class LaneTable {
  readonly #slots = new Map<string, number>();
  readonly #free: number[] = [];
  readonly #holes = new Map<number, Ranges>();
  readonly #dead = new Map<number, Ranges>();
  #columns: Record<Column, Float64Array>;
  #flags: Uint8Array;
  #used = 0;

  constructor(capacity = 256) {
    this.#columns = Object.fromEntries(COLUMNS.map((name) => [name, new Float64Array(capacity)])) as Record<
      Column,
      Float64Array
    >;
    this.#flags = new Uint8Array(capacity);
  }

  get size(): number {
    return this.#slots.size;
  }

  keys(): IterableIterator<string> {
    return this.#slots.keys();
  }

  get(key: string): LaneState | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    const read = (name: Column): number => this.#columns[name][slot] as number;
    const flags = this.#flags[slot] as number;
    const end = read('end');
    return {
      opened: (flags & OPENED) !== 0,
      expired: (flags & EXPIRED) !== 0,
      highest: read('highest'),
      given: read('given'),
      end: end === NO_END ? null : end,
      dropped: read('dropped'),
      holes: this.#holes.get(slot) ?? [],
      dead: this.#dead.get(slot) ?? [],
      firstMs: read('firstMs'),
      lastMs: read('lastMs'),
    };
  }

  lastMs(key: string): number {
    const slot = this.#slots.get(key);
    return slot === undefined ? 0 : (this.#columns.lastMs[slot] as number);
  }

  set(key: string, lane: LaneState, untold: boolean): void {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = this.#free.pop() ?? this.#used++;
      if (slot === this.#flags.length) this.#grow();
      this.#slots.set(key, slot);
    }
    const columns = this.#columns;
    columns.highest[slot] = lane.highest;
    columns.given[slot] = lane.given;
    columns.end[slot] = lane.end ?? NO_END;
    columns.dropped[slot] = lane.dropped;
    columns.firstMs[slot] = lane.firstMs;
    columns.lastMs[slot] = lane.lastMs;
    this.#flags[slot] = (lane.opened ? OPENED : 0) | (lane.expired ? EXPIRED : 0) | (untold ? UNTOLD : 0);
    keep(this.#holes, slot, lane.holes);
    keep(this.#dead, slot, lane.dead);
  }

  isUntold(key: string): boolean {
    const slot = this.#slots.get(key);
    return slot !== undefined && ((this.#flags[slot] as number) & UNTOLD) !== 0;
  }

  setTold(key: string): void {
    const slot = this.#slots.get(key);
    if (slot !== undefined) this.#flags[slot] = (this.#flags[slot] as number) & ~UNTOLD;
  }

  delete(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    this.#holes.delete(slot);
    this.#dead.delete(slot);
    this.#free.push(slot);
  }

  #grow(): void {
    const capacity = this.#flags.length * 2;
    for (const name of COLUMNS) {
      const column = new Float64Array(capacity);
      column.set(this.#columns[name]);
      this.#columns[name] = column;
    }
    const flags = new Uint8Array(capacity);
    flags.set(this.#flags);
    this.#flags = flags;
  }
}

function keep(map: Map<number, Ranges>, slot: number, ranges: Ranges): void {
  if (ranges.length > 0) map.set(slot, ranges);
  else map.delete(slot);
}
