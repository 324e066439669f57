/**
 * RFC 8785 (JSON Canonicalization Scheme) text of a parsed JSON value: keys sorted by UTF-16 code units,
 * no white space, ECMAScript number form. Where RFC 8785 leaves off: a lone surrogate becomes U+FFFD and, of a
 * repeated key, the last one counts (what `JSON.parse` does), so that every JSON text has a form.
 * `undefined`, functions and `toJSON` are treated as `JSON.stringify` treats them.
 * Iterates with an explicit stack: depth is bounded by memory, not by the call stack.
 */
export function canonicalJson(value: unknown): string {
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
