import { ClickHouseException } from './exception.ts';
import { type Token, tokens } from './lexer.ts';

/** What has to be known of a statement before the engine gets it. */
export type Statement =
  | {
      readonly kind: 'query';
      readonly sql: string;
      /** Its first two words, in lower case. */
      readonly words: readonly [string, string];
      /** What its FORMAT clause names, or null. */
      readonly format: string | null;
      readonly uses: Uses;
    }
  | {
      /** An insert whose rows follow it as data: `head` before `FROM INFILE`, `tail` after it. */
      readonly kind: 'insert';
      readonly head: string;
      readonly tail: string;
      readonly format: string;
      /** Offset in the text at which the rows begin. */
      readonly dataAt: number;
      readonly uses: Uses;
    };

/** Names that a statement mentions, whether they mean it or not. */
export interface Uses {
  /** In lower case: whatever stands before a parenthesis. */
  readonly calls: ReadonlySet<string>;
  /** Tables of the database `system`. */
  readonly systemTables: ReadonlySet<string>;
}

/**
 * Takes a statement apart as far as this server needs: one statement only, no files of the server's side, what it
 * calls, and where an insert's rows begin.
 * @throws ClickHouseException SYNTAX_ERROR (nothing, or more than one), INTO_OUTFILE_NOT_ALLOWED, BAD_ARGUMENTS,
 *   ACCESS_DENIED
 */
export function readStatement(sql: string): Statement {
  const uses = { calls: new Set<string>(), systemTables: new Set<string>() };
  let firstWord = '';
  let secondWord = '';
  let format: string | null = null;
  let beforePrevious: Token | null = null;
  let end: number | null = null;
  let depth = 0;
  let settingsAt: number | null = null;
  let previous: Token | null = null;
  let isSelect = false;
  for (const token of tokens(sql)) {
    if (end !== null) {
      if (token.text === ';' && token.kind === 'sign') continue;
      throw new ClickHouseException('SYNTAX_ERROR', 'Multi-statements are not allowed');
    }
    if (token.kind === 'sign') {
      if (token.text === ';') end = token.start;
      if (token.text === '(') {
        depth++;
        if (previous?.kind === 'word' || previous?.kind === 'quoted')
          uses.calls.add(previous.text.toLowerCase());
      }
      if (token.text === ')') depth--;
    }
    if (firstWord === '' && !'(;'.includes(token.text)) firstWord = token.kind === 'word' ? token.text : '?';
    else if (secondWord === '' && token.text !== '(') secondWord = token.kind === 'word' ? token.text : '?';
    if (previous?.text === '.' && beforePrevious?.text.toLowerCase() === 'system')
      uses.systemTables.add(token.text.toLowerCase());
    refuseFiles(token, previous);
    if (applied(token, previous, beforePrevious)) uses.calls.add(token.text.toLowerCase());
    if (token.kind === 'word') {
      if (token.text === 'select' || token.text === 'with') isSelect = true;
      if (firstWord === 'insert' && depth === 0 && !isSelect) {
        if (token.text === 'settings') settingsAt ??= token.start;
        if (token.text === 'values' && previous?.text !== 'into' && previous?.text !== 'table')
          return insert(
            sql,
            { cutAt: settingsAt ?? token.start, end: token.start, dataAt: token.end, uses },
            'Values',
          );
      }
    }
    const isFormat = depth === 0 && previous?.kind === 'word' && previous.text === 'format';
    if (isFormat && token.kind === 'word') {
      const name = sql.slice(token.start, token.end);
      format = name;
      if (firstWord !== 'insert' || isSelect) {
        beforePrevious = previous;
        previous = token;
        continue;
      }
      return insert(
        sql,
        {
          cutAt: settingsAt ?? (previous as Token).start,
          end: (previous as Token).start,
          dataAt: token.end,
          uses,
        },
        name,
      );
    }
    beforePrevious = previous;
    previous = token;
  }
  if (firstWord === '') throw new ClickHouseException('SYNTAX_ERROR', 'Empty query');
  return {
    kind: 'query',
    sql: sql.slice(0, end ?? sql.length),
    words: [firstWord, secondWord],
    format,
    uses,
  };
}

/** `* APPLY f` and `* APPLY(f)` call f. */
const applied = (token: Token, previous: Token | null, before: Token | null): boolean =>
  token.kind !== 'sign' &&
  (previous?.text === 'apply' || (previous?.text === '(' && before?.text === 'apply'));

function refuseFiles(token: Token, previous: Token | null): void {
  // What is not compared letter by letter elsewhere must not be spelled in another way.
  if (token.kind === 'quoted' && token.text.includes('\\'))
    throw new ClickHouseException('SYNTAX_ERROR', 'Escapes in quoted names are not supported');
  // The engine takes a table's name for a file's where it looks like one.
  const isTable = previous !== null && ['from', 'join', 'into', 'table', '.'].includes(previous.text);
  if (isTable && (token.kind === 'string' || (token.kind === 'quoted' && token.text.includes('/'))))
    throw new ClickHouseException('ACCESS_DENIED', 'Not enough privileges. Files are not read here');
  if (token.text === 'outfile' && previous?.text === 'into')
    throw new ClickHouseException('INTO_OUTFILE_NOT_ALLOWED', 'INTO OUTFILE is not allowed');
  if (token.text === 'infile' && previous?.text === 'from')
    throw new ClickHouseException('BAD_ARGUMENTS', 'FROM INFILE is not allowed: send the rows as the body');
}

function insert(
  sql: string,
  at: { cutAt: number; end: number; dataAt: number; uses: Uses },
  format: string,
): Statement {
  if (!/^[A-Za-z][A-Za-z0-9]{0,63}$/.test(format))
    throw new ClickHouseException('UNKNOWN_FORMAT', `Unknown format ${format.slice(0, 64)}`);
  // One line end after the format's name belongs to the statement, the rest to the rows.
  const gap = /[ \t]*;?[ \t]*(?:\r?\n)?/y;
  gap.lastIndex = at.dataAt;
  const skipped = format === 'Values' ? 0 : (gap.exec(sql)?.[0].length ?? 0);
  return {
    kind: 'insert',
    head: sql.slice(0, at.cutAt),
    tail: `${sql.slice(at.cutAt, at.end)} FORMAT ${format}`,
    format,
    dataAt: at.dataAt + skipped,
    uses: at.uses,
  };
}
