/** Length that the schema gives most labels, UTF-16 units. */
const MAX_LABEL = 512;

/** Text fit for a record's field: no NUL and no lone surrogate (U+FFFD instead), cut on a code point boundary. */
export function label(text: string, max = MAX_LABEL): string {
  let out = text.length > max ? text.slice(0, max) : text;
  if (out.includes('\0')) out = out.replaceAll('\0', '\uFFFD');
  if (out.length < text.length && isHighSurrogate(out.charCodeAt(out.length - 1))) out = out.slice(0, -1);
  return out.isWellFormed() ? out : out.toWellFormed();
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
