import { ClickHouseException } from './exception.ts';

/** A piece of a statement: where it stands, and what it says. Comments and white space are none. */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'sign';
  readonly start: number;
  readonly end: number;
  /** A word in lower case, a quoted name without its quotes, a sign itself; else the text. */
  readonly text: string;
}

const WORD = /[A-Za-z_][A-Za-z0-9_$]*/y;
const NUMBER = /[0-9]+/y;
const HEREDOC = /\$[A-Za-z0-9_]*\$/y;
/** Outside quotes ClickHouse has no other use for what is not ASCII than as white space, or as quotes (below). */
const SPACE = /[\s\u0000-\u001f\u0080-\uffff]+/y;
/** ‘ ’ “ ”: the engine takes them for quotes too. Nobody needs them, and what they hide is not to be guessed. */
const CURLY = /[\u2018\u2019\u201c\u201d]/;

/**
 * The tokens of a statement in ClickHouse's dialect, one at a time and in linear time. What is not closed (a quote, a
 * comment) reaches to the end, where the engine's own parser refuses it.
 * @throws ClickHouseException SYNTAX_ERROR for typographic quotes outside others
 */
export function* tokens(sql: string): Generator<Token> {
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(sql)?.[0];
  };
  while (at < sql.length) {
    const space = match(SPACE);
    if (space !== undefined) {
      if (CURLY.test(space))
        throw new ClickHouseException(
          'SYNTAX_ERROR',
          'Typographic quotes are not supported: use straight ones',
        );
      at += space.length;
      continue;
    }
    const commentEnd = endOfComment(sql, at);
    if (commentEnd !== null) {
      at = commentEnd;
      continue;
    }
    const start = at;
    const char = sql[at] as string;
    if (char === "'" || char === '`' || char === '"') {
      at = endOfQuoted(sql, at);
      const inside = sql.slice(start + 1, at - 1);
      yield { kind: char === "'" ? 'string' : 'quoted', start, end: at, text: inside };
      continue;
    }
    const heredoc = match(HEREDOC);
    if (heredoc !== undefined) {
      const close = sql.indexOf(heredoc, at + heredoc.length);
      at = close < 0 ? sql.length : close + heredoc.length;
      yield { kind: 'string', start, end: at, text: sql.slice(start, at) };
      continue;
    }
    const word = match(WORD);
    const number = word === undefined ? match(NUMBER) : undefined;
    at += (word ?? number ?? char).length;
    yield word !== undefined
      ? { kind: 'word', start, end: at, text: word.toLowerCase() }
      : { kind: number === undefined ? 'sign' : 'number', start, end: at, text: number ?? char };
  }
}

/** Where the comment that begins at `at` ends; null where none begins. Block comments nest, as in ClickHouse. */
function endOfComment(sql: string, at: number): number | null {
  const two = sql.slice(at, at + 2);
  if (two === '--' || two === '#!' || two === '# ') {
    const end = sql.indexOf('\n', at);
    return end < 0 ? sql.length : end + 1;
  }
  if (two !== '/*') return null;
  const MARK = /\/\*|\*\//g;
  MARK.lastIndex = at + 2;
  for (let depth = 1; depth > 0; ) {
    const mark = MARK.exec(sql);
    if (mark === null) return sql.length;
    depth += mark[0] === '/*' ? 1 : -1;
  }
  return MARK.lastIndex;
}

function endOfQuoted(sql: string, start: number): number {
  const quote = sql[start];
  for (let at = start + 1; at < sql.length; at++) {
    if (sql[at] === '\\') at++;
    else if (sql[at] === quote) {
      if (sql[at + 1] !== quote) return at + 1;
      at++;
    }
  }
  return sql.length;
}
