import { createRequire } from 'node:module';
import { PairMerger } from './bpe.ts';
import { RankTable } from './rank-table.ts';

/** Encodings that OpenAI's models use, by the names that tiktoken gives them. */
export type EncodingName = 'o200k_base' | 'cl100k_base' | 'p50k_base' | 'r50k_base';

/** Text up to here is split at once, which is fastest; longer text piece by piece, so that memory stays small. UTF-16 units. */
const SPLIT_AT_ONCE = 64 * 1024;
/** Counts of words and marks that are remembered: nearly all of any text is a few thousand of them. */
const REMEMBERED_PIECES = 32 * 1024;
const LONGEST_REMEMBERED = 32;

const require = createRequire(import.meta.url);
const loaded = new Map<EncodingName, Encoding>();

/** The encoding, loaded when it is first asked for: 5 MB each, and about a third of a second. */
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
 * its kind. Ranks and patterns are gpt-tokenizer's; its own encoder takes 100 MB more and time that grows with the
 * square of a piece. Text that looks like a special token is text. An encoding splits text into pieces by its pattern, and
 * merges bytes within each: what a piece has is the same wherever it stands.
 */
export class Encoding {
  readonly name: EncodingName;
  readonly #pieces: RegExp;
  readonly #known = new Map<string, number>();
  readonly #merger: PairMerger;

  constructor(name: EncodingName) {
    this.name = name;
    this.#merger = new PairMerger(loadRanks(name));
    this.#pieces = splitRegex(name);
  }

  count(text: string): number {
    let count = 0;
    if (text.length <= SPLIT_AT_ONCE) {
      const pieces = text.match(this.#pieces);
      if (pieces !== null) for (const piece of pieces) count += this.#countPiece(piece);
    } else for (const [piece] of text.matchAll(this.#pieces)) count += this.#countPiece(piece);
    return count;
  }

  #countPiece(piece: string): number {
    const known = this.#known.get(piece);
    if (known !== undefined) return known;
    const count = this.#merger.count(piece);
    if (piece.length <= LONGEST_REMEMBERED) {
      if (this.#known.size >= REMEMBERED_PIECES) this.#known.clear();
      // A copy: a slice would keep the whole text alive.
      this.#known.set(Buffer.from(piece, 'utf16le').toString('utf16le'), count);
    }
    return count;
  }
}

/** The ranks, and nothing left of the library's module, which has a string for each. */
function loadRanks(name: EncodingName): RankTable {
  // Of its own, since a module is held by the one that required it.
  const require = createRequire(import.meta.url);
  const path = require.resolve(`gpt-tokenizer/bpeRanks/${name}`);
  const ranks = require(path) as { default: readonly (string | readonly number[] | undefined)[] };
  delete require.cache[path];
  return new RankTable(ranks.default);
}

/**
 * The encoding's pattern as tiktoken's engine reads it: `\s` is Unicode's White_Space, and where a contraction's case
 * does not matter, its `s` may be long (U+017F).
 */
function splitRegex(name: EncodingName): RegExp {
  const constants = require('gpt-tokenizer/encodingParams/constants') as Record<string, RegExp>;
  const family = name === 'o200k_base' ? 'O200K' : name === 'cl100k_base' ? 'CL100K' : 'R50K';
  const { source, flags } = constants[`${family}_TOKEN_SPLIT_REGEX`] as RegExp;
  const asUnicode = source
    .replaceAll('\\s', '\\p{White_Space}')
    .replaceAll('\\S', '\\P{White_Space}')
    .replaceAll('[sS]', '[sS\\u017f]');
  return new RegExp(asUnicode, flags);
}
