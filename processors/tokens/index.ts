import { createHash } from 'node:crypto';
import { type EncodingName, encoding } from './encodings.ts';
import { estimated, mixOf } from './estimate.ts';
import { familyOf } from './families.ts';

export interface TokenCount {
  readonly tokens: number;
  /** `o200k_base` and its kin where the count is exact, `estimate:…` where it is not. */
  readonly tokenizer: string;
  /** `metered`: counted with that model's own tokenizer. */
  readonly basis: 'metered' | 'estimated';
  /** Relative error that an estimate may have, 0 for an exact count: 0.1 is ±10 %. */
  readonly error: number;
}

export interface TokenCounterOptions {
  /** Counts of long texts that are remembered, for definitions that repeat. 0: none. */
  readonly remembered?: number;
}

export interface TokenCounter {
  /** Tokens that `model` makes of a text; the empty model is unknown. Never throws for any text; linear in its length. */
  count(text: string, model: string): TokenCount;
}

/** A counter. Loads each encoding when it is first needed: keep it in the worker that counts. */
export function createTokenCounter(options: TokenCounterOptions = {}): TokenCounter {
  const memory = new Memory(options.remembered ?? 1024);
  return {
    count(text, model) {
      const family = familyOf(model);
      if (family.kind === 'exact') {
        const tokens = memory.count(family.encoding, text);
        return { tokens, tokenizer: family.encoding, basis: 'metered', error: 0 };
      }
      const { estimator } = family;
      const tokens = estimated(estimator, memory.count('o200k_base', text), mixOf(text));
      return { tokens, tokenizer: estimator.name, basis: 'estimated', error: estimator.error };
    },
  };
}

/** Hashing a shorter text costs about as much as counting it. UTF-16 units. */
const REMEMBER_FROM = 2048;

/** Counts of long texts by their SHA-256, the oldest forgotten first. Holds no text. */
class Memory {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  count(name: EncodingName, text: string): number {
    if (this.#most === 0 || text.length < REMEMBER_FROM) return encoding(name).count(text);
    const key = name + createHash('sha256').update(text, 'utf16le').digest('base64');
    let tokens = this.#counts.get(key);
    if (tokens === undefined) {
      tokens = encoding(name).count(text);
      this.#counts.set(key, tokens);
      if (this.#counts.size > this.#most) this.#counts.delete(this.#counts.keys().next().value as string);
    }
    return tokens;
  }
}
