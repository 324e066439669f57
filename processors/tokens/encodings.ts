import { createRequire } from 'node:module';
import { LongPieces } from './bpe.ts';

/** Encodings that OpenAI's models use, by the names that tiktoken gives them. */
export type EncodingName = 'o200k_base' | 'cl100k_base' | 'p50k_base' | 'r50k_base';

/** A piece longer than this is counted by `LongPieces`; the library's time grows with a piece's square. */
const LONGEST_PIECE = 400;

/** The part of the library that is used; it has no types for its data. */
interface Library {
  countTokens(text: string, options: { readonly disallowedSpecial: ReadonlySet<string> }): number;
}

/** What looks like a special token is text, and no error. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

const require = createRequire(import.meta.url);
const loaded = new Map<EncodingName, Encoding>();

/** The encoding, loaded when it is first asked for: 50–140 MB each, and about a third of a second. */
export function encoding(name: EncodingName): Encoding {
  let found = loaded.get(name);
  if (found === undefined) {
    found = new Encoding(name);
    loaded.set(name, found);
  }
  return found;
}

/**
 * Counts text as one of OpenAI's encodings does, to the token, in time that grows with the text's length and not with
 * its kind. Text that looks like a special token is text.
 */
export class Encoding {
  readonly name: EncodingName;
  readonly #library: Library;
  #split: RegExp | undefined;
  #long: LongPieces | undefined;

  constructor(name: EncodingName) {
    this.name = name;
    this.#library = require(`gpt-tokenizer/encoding/${name}`) as Library;
  }

  count(text: string): number {
    if (text.length <= LONGEST_PIECE || !hasLongRun(text)) return this.#library.countTokens(text, AS_TEXT);
    return this.#countByPiece(text);
  }

  /** As the library splits, piece by piece; what is between two long pieces is counted at once. */
  #countByPiece(text: string): number {
    let count = 0;
    let from = 0;
    for (const match of text.matchAll(this.#splitter())) {
      if (match[0].length <= LONGEST_PIECE) continue;
      count += this.#countBetween(text, from, match.index);
      count += this.#longPieces().count(match[0]);
      from = match.index + match[0].length;
    }
    return count + this.#countBetween(text, from, text.length);
  }

  /** Whitespace at the end is split by what follows it: it is counted apart, as the one piece that it is here. */
  #countBetween(text: string, from: number, to: number): number {
    if (from === to) return 0;
    const part = text.slice(from, to);
    const end = part.trimEnd().length;
    if (to === text.length || end === part.length) return this.#library.countTokens(part, AS_TEXT);
    let count = end === 0 ? 0 : this.#library.countTokens(part.slice(0, end), AS_TEXT);
    for (const match of text.matchAll(this.#splitterAt(from + end))) {
      if (match.index >= to) break;
      count += this.#library.countTokens(match[0], AS_TEXT);
    }
    return count;
  }

  #splitter(): RegExp {
    this.#split ??= splitRegex(this.name);
    this.#split.lastIndex = 0;
    return this.#split;
  }

  #splitterAt(index: number): RegExp {
    const split = new RegExp(this.#splitter().source, this.#splitter().flags);
    split.lastIndex = index;
    return split;
  }

  #longPieces(): LongPieces {
    if (this.#long === undefined) {
      const ranks = require(`gpt-tokenizer/bpeRanks/${this.name}`) as {
        default: (string | number[] | undefined)[];
      };
      this.#long = new LongPieces(ranks.default);
    }
    return this.#long;
  }
}

function splitRegex(name: EncodingName): RegExp {
  const constants = require('gpt-tokenizer/encodingParams/constants') as Record<string, RegExp>;
  const family = name === 'o200k_base' ? 'O200K' : name === 'cl100k_base' ? 'CL100K' : 'R50K';
  const regex = constants[`${family}_TOKEN_SPLIT_REGEX`] as RegExp;
  return new RegExp(regex.source, regex.flags);
}

const SPACE = 1;
const WORD = 2;
const MARK = 3;
const CLASS = new Uint8Array(128).fill(MARK);
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code);
  if (/\s/.test(char)) CLASS[code] = SPACE;
  else if (/[A-Za-z]/.test(char)) CLASS[code] = WORD;
  // Digits are split into threes by the newer encodings, but not by the old ones.
  else if (/\d/.test(char)) CLASS[code] = WORD;
}

/** Whether some run of characters of one class may make a piece over the limit. Beyond ASCII all count as one class. */
function hasLongRun(text: string): boolean {
  let run = 0;
  let last = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const kind = code < 128 ? (CLASS[code] as number) : last === MARK ? MARK : WORD;
    if (kind !== last) {
      last = kind;
      run = 0;
    }
    if (++run > LONGEST_PIECE) return true;
  }
  return false;
}
