import { isDigit, type Segment } from './segment.ts';

/** What stands between two groups of digits. */
export const SPACE = 1;
export const DASH = 2;
export const DOT = 3;
export const SLASH = 4;
export const PAREN = 5;
/** A dash or slash between spaces. */
export const SPACED = 6;

/** Groups that are looked at from one start: a number has no more, and so the whole stays linear. */
const MAX_GROUPS = 10;

/**
 * Groups of digits that separators join, from one start: `(415) 555-0132` is 415, 555, 0132. Reused for each start,
 * so that looking costs no memory; valid until the next `read`.
 */
export class Cluster {
  count = 0;
  /** Where the number begins, its `+` or `(` included. */
  start = 0;
  plus = false;
  readonly starts = new Int32Array(MAX_GROUPS);
  readonly ends = new Int32Array(MAX_GROUPS);
  /** Separator before group i; that of the first is 0. */
  readonly separators = new Int32Array(MAX_GROUPS);
  /** Ends of groups, a closing parenthesis included. */
  readonly closes = new Int32Array(MAX_GROUPS);

  /** Reads from `at`, which is a digit, a `+` or a `(`. */
  read({ text, end }: Segment, at: number): void {
    this.count = 0;
    this.start = at;
    this.plus = false;
    let i = at;
    let separator = 0;
    let open = false;
    const wrapped = text.charCodeAt(i) === 40;
    let wrapEnd = -1;
    if (wrapped) {
      open = true;
      i++;
    }
    if (text.charCodeAt(i) === 43) {
      this.plus = true;
      i++;
      // "+(44) …"
      if (text.charCodeAt(i) === 40) {
        open = true;
        i++;
      }
    }
    while (this.count < MAX_GROUPS) {
      const from = i;
      while (i < end && isDigit(text.charCodeAt(i))) i++;
      if (i === from) break;
      this.starts[this.count] = from;
      this.ends[this.count] = i;
      this.separators[this.count] = separator;
      let code = i < end ? text.charCodeAt(i) : -1;
      if (open && code === 41) {
        open = false;
        if (wrapped && wrapEnd === -1) wrapEnd = this.count;
        if (wrapped && wrapEnd > 0 && this.#isArea()) wrapEnd = 0;
        if (wrapped && wrapEnd > 0 && wrapEnd === this.count) {
          this.closes[this.count++] = i;
          break;
        }
        i++;
        code = i < end ? text.charCodeAt(i) : -1;
        separator = PAREN;
      } else separator = 0;
      this.closes[this.count++] = i;
      if (isDigit(code)) continue;
      // One separator, a space around a parenthesis, or a dash between spaces.
      const blank = isSpace(code);
      if (blank) {
        i++;
        code = i < end ? text.charCodeAt(i) : -1;
      }
      const kind =
        code === 45 || code === 0x2010 || code === 0x2011 || code === 0x2013
          ? DASH
          : code === 46
            ? DOT
            : code === 47
              ? SLASH
              : 0;
      if (kind !== 0) {
        i++;
        code = i < end ? text.charCodeAt(i) : -1;
        if (blank) {
          if (kind === DOT || !isSpace(code)) break;
          i++;
          code = i < end ? text.charCodeAt(i) : -1;
          if (separator === 0) separator = SPACED;
        } else if (separator === 0) separator = kind;
      } else if (blank && separator === 0) separator = SPACE;
      if (code === 40 && !open) {
        open = true;
        separator = PAREN;
        i++;
      }
      if (separator === 0) break;
    }
    // "(415-555-0132)" is a number in parentheses, "(415) 555-0132" one with them.
    if (wrapped && wrapEnd !== 0) this.start = at + 1;
  }

  /** Whether what the parentheses hold is an area code, `(0-312)`, and no number. */
  #isArea(): boolean {
    let digits = 0;
    for (let i = 0; i <= this.count; i++) digits += this.size(i);
    return digits < 7;
  }

  /** Length of group i, digits. */
  size(i: number): number {
    return (this.ends[i] as number) - (this.starts[i] as number);
  }

  /** The digits of groups from … to − 1. */
  digits(text: string, from: number, to: number): string {
    let digits = '';
    for (let i = from; i < to; i++) digits += text.slice(this.starts[i], this.ends[i]);
    return digits;
  }

  /** The digits of one group, as a number. */
  value(text: string, i: number): number {
    return Number(text.slice(this.starts[i], this.ends[i]));
  }
}

/** Spaces that people and typesetters put between digits. */
function isSpace(code: number): boolean {
  return code === 32 || code === 0xa0 || code === 0x202f || code === 0x2009;
}
