/**
 * RFC 8785 (JSON Canonicalization Scheme) text of a parsed JSON value: keys sorted by UTF-16 code units,
 * no white space, ECMAScript number form. Where RFC 8785 leaves off: a lone surrogate becomes U+FFFD and, of a
 * repeated key, the last one counts (what `JSON.parse` does), so that every JSON text has a form.
 * `undefined`, functions and `toJSON` are treated as `JSON.stringify` treats them.
 * Iterates with an explicit stack: depth is bounded by memory, not by the call stack.
 * `serialized`: what `JSON.stringify` made of the value, where that is at hand: often it has the form already.
 */
export function canonicalJson(value: unknown, serialized?: string): string {
  if (serialized !== undefined && isOrdered(value, 0) && !serialized.includes('\\ud')) return serialized;
  type Frame = {
    keys: string[] | null;
    value: Record<string, unknown> | unknown[];
    index: number;
    wrote: boolean;
  };
  const frames: Frame[] = [];
  let out = '';

  const open = (raw: unknown): void => {
    const v = plain(raw);
    if (v === null || typeof v !== 'object') {
      out += primitive(v);
      return;
    }
    if (Array.isArray(v)) {
      out += '[';
      frames.push({ keys: null, value: v, index: 0, wrote: false });
    } else {
      out += '{';
      frames.push({
        keys: Object.keys(v).sort(),
        value: v as Record<string, unknown>,
        index: 0,
        wrote: false,
      });
    }
  };

  open(value === undefined ? null : value);
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    if (frame.keys === null) {
      const array = frame.value as unknown[];
      if (frame.index === array.length) {
        out += ']';
        frames.pop();
        continue;
      }
      if (frame.index > 0) out += ',';
      const item = plain(array[frame.index++]);
      open(item === undefined || typeof item === 'function' || typeof item === 'symbol' ? null : item);
    } else {
      if (frame.index === frame.keys.length) {
        out += '}';
        frames.pop();
        continue;
      }
      const key = frame.keys[frame.index++] as string;
      const item = plain((frame.value as Record<string, unknown>)[key]);
      if (item === undefined || typeof item === 'function' || typeof item === 'symbol') continue;
      if (frame.wrote) out += ',';
      frame.wrote = true;
      out += `${quote(key)}:`;
      open(item);
    }
  }
  return out;
}

/** Deeper values are not looked at. */
const ORDERED_DEPTH = 16;

/** Whether the keys of every object come in the form's order. False for what says itself how it is serialised. */
function isOrdered(value: unknown, depth: number): boolean {
  if (typeof value === 'bigint') return false;
  if (value === null || typeof value !== 'object') return true;
  if (depth === ORDERED_DEPTH || typeof (value as { toJSON?: unknown }).toJSON === 'function') return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isOrdered(item, depth + 1)) return false;
    return true;
  }
  let last: string | undefined;
  for (const key of Object.keys(value)) {
    if (last !== undefined && key < last) return false;
    last = key;
    if (!isOrdered((value as Record<string, unknown>)[key], depth + 1)) return false;
  }
  return true;
}

function plain(value: unknown): unknown {
  if (
    value !== null &&
    typeof value === 'object' &&
    typeof (value as { toJSON?: unknown }).toJSON === 'function'
  ) {
    return (value as { toJSON(): unknown }).toJSON();
  }
  return value;
}

function primitive(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'bigint') return value.toString();
  return JSON.stringify(value) ?? 'null';
}

function quote(text: string): string {
  return JSON.stringify(text.isWellFormed() ? text : text.toWellFormed());
}
