import type { CompiledRule, TextField } from './rules.ts';

/** The most telling first. */
const KEY_FIELDS: readonly TextField[] = ['caller', 'acting_as', 'collector', 'tool', 'server', 'client'];

/**
 * Rules found by a value that they ask for exactly, so that a call meets only those that may fit it. Each rule is
 * filed once: under the first field, else the first tag, for which it names values and no globs; else under `always`.
 */
export class RuleIndex {
  readonly #byField = new Map<TextField, Map<string, number[]>>();
  readonly #byTag = new Map<string, Map<string, number[]>>();
  readonly #always: number[] = [];

  constructor(rules: readonly CompiledRule[]) {
    for (const rule of rules) this.#add(rule);
  }

  #add(rule: CompiledRule): void {
    for (const field of KEY_FIELDS) {
      const pattern = rule.fields.get(field);
      if (pattern !== undefined && pattern.globs.length === 0) {
        put(this.#byField, field, pattern.exact, rule.index);
        return;
      }
    }
    for (const [name, pattern] of rule.tags) {
      if (pattern.globs.length === 0) {
        put(this.#byTag, name, pattern.exact, rule.index);
        return;
      }
    }
    this.#always.push(rule.index);
  }

  /** Ascending lists of the numbers of all rules that may fit these values; no number is in two of them. */
  candidates(
    field: (name: TextField) => string | undefined,
    tag: (name: string) => string | undefined,
  ): number[][] {
    const lists: number[][] = [];
    if (this.#always.length > 0) lists.push(this.#always);
    for (const [name, map] of this.#byField) {
      const value = field(name);
      const found = value === undefined ? undefined : map.get(value);
      if (found !== undefined) lists.push(found);
    }
    for (const [name, map] of this.#byTag) {
      const value = tag(name);
      const found = value === undefined ? undefined : map.get(value);
      if (found !== undefined) lists.push(found);
    }
    return lists;
  }
}

function put<K>(maps: Map<K, Map<string, number[]>>, key: K, values: Iterable<string>, index: number): void {
  let map = maps.get(key);
  if (map === undefined) {
    map = new Map();
    maps.set(key, map);
  }
  for (const value of values) {
    const list = map.get(value);
    if (list === undefined) map.set(value, [index]);
    else list.push(index);
  }
}

/** The numbers of ascending lists in ascending order. */
export function* merged(lists: readonly number[][]): Generator<number> {
  if (lists.length === 1) {
    yield* lists[0] as number[];
    return;
  }
  const at = lists.map(() => 0);
  for (;;) {
    let best = -1;
    for (let i = 0; i < lists.length; i++) {
      const value = lists[i]?.[at[i] as number];
      if (value !== undefined && (best < 0 || value < (lists[best]?.[at[best] as number] as number)))
        best = i;
    }
    if (best < 0) return;
    yield lists[best]?.[at[best] as number] as number;
    at[best] = (at[best] as number) + 1;
  }
}
