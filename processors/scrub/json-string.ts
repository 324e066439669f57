import type { Edit } from './edits.ts';

/** Index of the quote that closes the string whose content starts at `from`, or −1 when it was cut. */
export function closingQuote(text: string, from: number): number {
  let quote = text.indexOf('"', from);
  while (quote !== -1) {
    let escapes = quote - 1;
    while (escapes >= from && text.charCodeAt(escapes) === 92) escapes--;
    if ((quote - escapes) % 2 === 1) return quote;
    quote = text.indexOf('"', quote + 1);
  }
  return -1;
}

const SIMPLE: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** Length of the escape whose backslash is at `at`, code units. A bad escape is as long as its backslash and what follows. */
function escapeLength(raw: string, at: number): number {
  return raw.charCodeAt(at + 1) === 117 && /^[\da-fA-F]{4}$/.test(raw.slice(at + 2, at + 6))
    ? 6
    : Math.min(2, raw.length - at);
}

/** What a string's content between its quotes stands for. Content that JSON forbids is read as it is meant. */
export function decode(raw: string): string {
  if (!raw.includes('\\')) return raw;
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    // Raw line ends, cut or unknown escapes: read one by one, each as one code unit, so that offsets can be moved back.
    let text = '';
    for (let i = 0; i < raw.length; ) {
      if (raw.charCodeAt(i) !== 92) {
        text += raw[i++];
        continue;
      }
      const length = escapeLength(raw, i);
      const mark = raw[i + 1] ?? '\\';
      text +=
        length === 6
          ? String.fromCharCode(Number.parseInt(raw.slice(i + 2, i + 6), 16))
          : (SIMPLE[mark] ?? mark);
      i += length;
    }
    return text;
  }
}

/** Edits of a decoded string as edits of its raw content, which starts at `offset` of the whole text. */
export function encodeEdits(raw: string, offset: number, edits: readonly Edit[]): Edit[] {
  if (!raw.includes('\\'))
    return edits.map((edit) => ({
      ...edit,
      start: edit.start + offset,
      end: edit.end + offset,
      replacement: escaped(edit.replacement),
    }));
  let decoded = 0;
  let at = 0;
  const rawAt = (wanted: number): number => {
    while (decoded < wanted) {
      at += raw.charCodeAt(at) === 92 ? escapeLength(raw, at) : 1;
      decoded++;
    }
    return at + offset;
  };
  return edits.map((edit) => ({
    ...edit,
    start: rawAt(edit.start),
    end: rawAt(edit.end),
    replacement: escaped(edit.replacement),
  }));
}

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);
