import type { Estimator } from './families.ts';

/** What a text is made of, UTF-16 units; whitespace is left out. */
export interface Mix {
  words: number;
  marks: number;
  digits: number;
  /** Tokens that o200k_base makes of the digits: one for each three of a run. */
  digitTokens: number;
  accented: number;
  han: number;
  kana: number;
  hangul: number;
  other: number;
}

/** One pass over the text. */
export function mixOf(text: string): Mix {
  const mix: Mix = {
    words: 0,
    marks: 0,
    digits: 0,
    digitTokens: 0,
    accented: 0,
    han: 0,
    kana: 0,
    hangul: 0,
    other: 0,
  };
  let run = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48 && code <= 57) {
      mix.digits++;
      if (run++ % 3 === 0) mix.digitTokens++;
      continue;
    }
    run = 0;
    if (code < 128) {
      if ((code | 32) >= 97 && (code | 32) <= 122) mix.words++;
      else if (code > 32) mix.marks++;
    } else if (code < 0x250) mix.accented++;
    else if (code >= 0x4e00 && code <= 0x9fff) mix.han++;
    else if (code >= 0x3040 && code <= 0x30ff) mix.kana++;
    else if (code >= 0xac00 && code <= 0xd7a3) mix.hangul++;
    else mix.other++;
  }
  return mix;
}

/** Letters with accents, of all letters, from which a text counts as European: German has about 1 %, French 3 %. */
const EUROPEAN_SHARE = 0.008;

/** What `estimator`'s family makes of a text of which o200k_base makes `tokens`. */
export function estimated(estimator: Estimator, tokens: number, mix: Mix): number {
  const european = Math.min(1, mix.accented / Math.max(1, (mix.words + mix.accented) * EUROPEAN_SHARE));
  const word = estimator.word + (estimator.european - estimator.word) * european;
  // Kana say that Han characters are Japanese.
  const han = mix.kana > 0 ? estimator.kana : estimator.han;
  const parts = [
    [mix.words + mix.accented, word, 4.5],
    [mix.marks, estimator.mark, 2],
    [mix.han, han, 1.5],
    [mix.kana, estimator.kana, 1.5],
    [mix.hangul, estimator.hangul, 1.8],
    [mix.other, estimator.other, 4],
  ] as const;
  // Shares by tokens: characters of a part over those that a token of it has.
  let weight = 0;
  let sum = 0;
  for (const [count, factor, charactersPerToken] of parts) {
    weight += count / charactersPerToken;
    sum += (count / charactersPerToken) * factor;
  }
  const factor = weight === 0 ? 1 : sum / weight;
  if (estimator.digit === undefined) return Math.round(tokens * factor);
  return Math.round(Math.max(0, tokens - mix.digitTokens) * factor + mix.digits * estimator.digit);
}
