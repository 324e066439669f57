/** One replacement in a text: code units start … end − 1 become `replacement`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  readonly type: string;
  readonly detector: string;
}

/** The text with edits made, which are in order and don't overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return text;
  const parts: string[] = [];
  let at = 0;
  for (const edit of edits) {
    parts.push(text.slice(at, edit.start), edit.replacement);
    at = edit.end;
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/**
 * Joins to `edits` of a text those found in the text that they made: `later`'s offsets are moved back. A later edit
 * that covers an earlier one takes its place.
 */
export function joinEdits(edits: readonly Edit[], later: readonly Edit[]): Edit[] {
  const moved = later.map((edit) => ({
    ...edit,
    start: before(edits, edit.start, false),
    end: before(edits, edit.end, true),
  }));
  const kept = edits.filter((edit) =>
    moved.every(({ start, end }) => edit.end <= start || edit.start >= end),
  );
  return [...kept, ...moved].sort((a, b) => a.start - b.start);
}

/** Where an offset in the edited text stands in the original; inside a replacement, at its original's start or end. */
function before(edits: readonly Edit[], offset: number, atEnd: boolean): number {
  let shift = 0;
  for (const edit of edits) {
    const start = edit.start + shift;
    const end = start + edit.replacement.length;
    if (offset <= start) break;
    if (offset < end) return atEnd ? edit.end : edit.start;
    shift += edit.replacement.length - (edit.end - edit.start);
  }
  return offset - shift;
}
