import { fold } from './fold.ts';

/** A list of patterns over folded text, of which one must fit. */
export interface Pattern {
  /** Texts that fit only themselves. */
  readonly exact: ReadonlySet<string>;
  readonly globs: readonly Glob[];
}

/** The literal pieces between a pattern's stars: `a*b` is `['a', 'b']`. */
export type Glob = readonly string[];

export function compilePattern(source: string | readonly string[]): Pattern {
  const exact = new Set<string>();
  const globs: Glob[] = [];
  for (const text of typeof source === 'string' ? [source] : source) {
    const pieces = piecesOf(text);
    if (pieces.length === 1) exact.add(pieces[0] as string);
    else globs.push(pieces);
  }
  return { exact, globs };
}

function piecesOf(text: string): string[] {
  const pieces = text
    .trim()
    .split(/(?<!\\)\*+/)
    .map((piece) => piece.replaceAll('\\*', '*'));
  if (pieces.length === 1) return [fold(pieces[0] as string)];
  // Spaces beside a star are part of the pattern: each piece is folded within marks that keep them.
  return pieces.map((piece) => fold(`|${piece}|`).slice(1, -1));
}

export function fits({ exact, globs }: Pattern, folded: string): boolean {
  return exact.has(folded) || globs.some((glob) => fitsGlob(glob, folded));
}

/**
 * Linear in the text for each piece: the first piece begins it, the last ends it, and each between is found at its
 * first place after the one before, which leaves the most for the rest.
 */
export function fitsGlob(pieces: Glob, text: string): boolean {
  const first = pieces[0] as string;
  const last = pieces.at(-1) as string;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
    return false;
  let at = first.length;
  const end = text.length - last.length;
  for (let i = 1; i < pieces.length - 1; i++) {
    const piece = pieces[i] as string;
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

/** Stands for "any run": no folded text holds it, so only a star can match it. */
const ANY = '\u{10ffff}';

/** Whether everything that `narrow` fits, `wide` fits too. Sound; it may miss what only several globs cover. */
export function coversPattern(wide: Pattern, narrow: Pattern): boolean {
  for (const text of narrow.exact) if (!fits(wide, text)) return false;
  return narrow.globs.every((glob) => wide.globs.some((other) => fitsGlob(other, glob.join(ANY))));
}
