/** Objects and arrays that a snapshot copies before it goes on by reference. */
export const SNAPSHOT_MAX_NODES = 4096;

/**
 * A copy of parsed JSON that later writes to the original don't reach: a handler may change its arguments in place
 * long before the record is made. Strings are shared, so the price is the number of nodes, not of bytes. What
 * `JSON.stringify` would not take as plain data (class instances, `toJSON`) and what lies past the limit is kept by
 * reference.
 */
export function snapshot(value: unknown): unknown {
  return copy(value, { left: SNAPSHOT_MAX_NODES }, 0);
}

/** Deeper than this goes by reference: recursion stays far from the end of the stack. */
const MAX_DEPTH = 200;

function copy(value: unknown, budget: { left: number }, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH || --budget.left < 0) return value;
  if (Array.isArray(value)) {
    const out = new Array<unknown>(value.length);
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      out[i] = typeof item === 'object' && item !== null ? copy(item, budget, depth + 1) : item;
    }
    return out;
  }
  const prototype = Object.getPrototypeOf(value);
  if (
    (prototype !== Object.prototype && prototype !== null) ||
    typeof (value as { toJSON?: unknown }).toJSON === 'function'
  )
    return value;
  const out: Record<string, unknown> = {};
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (key === '__proto__') Object.defineProperty(out, key, { value: item, enumerable: true });
    else out[key] = typeof item === 'object' && item !== null ? copy(item, budget, depth + 1) : item;
  }
  return out;
}
