import type { EncodingName } from './encodings.ts';

/**
 * How a family's tokenizer counts, told by o200k_base's count of the same text. A text's tokens are taken apart: digits
 * (where the family's tokenizer gives each its own token, o200k_base one to three), and the rest, whose factor is the
 * mean of the factors of its parts, by their share of the characters.
 */
export interface Estimator {
  /** Name in rows: says that it is an estimate, of what, and which revision of the factors. */
  readonly name: string;
  /** Largest relative error seen on the kinds of text that it was calibrated with, rounded up. */
  readonly error: number;
  /** Tokens of a single digit, or undefined where digits count as o200k_base counts them. */
  readonly digit: number | undefined;
  /** Factors over o200k_base: English and plain ASCII words, punctuation (code and JSON are rich in it), … */
  readonly word: number;
  readonly mark: number;
  /** Latin letters with accents stand for text in other European languages: factor of such a text. */
  readonly european: number;
  readonly han: number;
  readonly kana: number;
  readonly hangul: number;
  readonly other: number;
}

/**
 * Gemini, Llama, Mistral, Qwen, DeepSeek: calibrated with their published tokenizers (Gemma 3 for Gemini) on English
 * prose and Markdown, TypeScript and JavaScript, compact and indented JSON, API answers, ids and timestamps, Chinese,
 * Japanese, Korean, Russian, German and French; `error` is the worst of these kinds.
 *
 * Claude has no published tokenizer since version 2. Up to 4.6: published comparisons with GPT-4o of the same texts
 * (prose +16 %, source code +30 %, mathematics +21 %). From 4.7 on the tokenizer is another: Anthropic's release notes
 * say 1.0–1.35 times as many; measurements with its counting endpoint found 1.20–1.46 for European prose, 1.13–1.36
 * for code, 1.13–1.31 for JSON, 1.06 for ids and 1.00–1.01 for other scripts. Both are applied on top of each other.
 */
export const ESTIMATORS = {
  claude: {
    name: 'estimate:claude-3',
    error: 0.2,
    digit: undefined,
    word: 1.16,
    mark: 1.45,
    european: 1.3,
    han: 1.35,
    kana: 1.3,
    hangul: 1.5,
    other: 1.5,
  },
  claude47: {
    name: 'estimate:claude-4.7',
    error: 0.25,
    digit: undefined,
    word: 1.62,
    mark: 1.45,
    european: 1.7,
    han: 1.35,
    kana: 1.3,
    hangul: 1.5,
    other: 1.5,
  },
  gemini: {
    name: 'estimate:gemini',
    error: 0.15,
    digit: 1,
    word: 1.03,
    mark: 1.22,
    european: 1.03,
    han: 0.87,
    kana: 0.7,
    hangul: 0.95,
    other: 0.94,
  },
  llama3: {
    name: 'estimate:llama-3',
    error: 0.15,
    digit: undefined,
    word: 1,
    mark: 0.98,
    european: 1.25,
    han: 1.11,
    kana: 0.9,
    hangul: 1.02,
    other: 1.06,
  },
  mistral: {
    name: 'estimate:mistral-tekken',
    error: 0.15,
    digit: 1,
    word: 1.04,
    mark: 1.1,
    european: 1.12,
    han: 1.4,
    kana: 0.93,
    hangul: 0.96,
    other: 1.14,
  },
  qwen: {
    name: 'estimate:qwen',
    error: 0.15,
    digit: 1,
    word: 1,
    mark: 0.98,
    european: 1.25,
    han: 0.86,
    kana: 0.9,
    hangul: 1.14,
    other: 1.3,
  },
  deepseek: {
    name: 'estimate:deepseek',
    error: 0.15,
    digit: undefined,
    word: 1.02,
    mark: 1.09,
    european: 1.2,
    han: 0.8,
    kana: 0.88,
    hangul: 1.14,
    other: 1.12,
  },
  /** Nothing is known: o200k_base as it is. Published tokenizers of one generation differ by up to a third. */
  unknown: {
    name: 'estimate:o200k_base',
    error: 0.35,
    digit: undefined,
    word: 1,
    mark: 1,
    european: 1,
    han: 1,
    kana: 1,
    hangul: 1,
    other: 1,
  },
} as const satisfies Record<string, Estimator>;

export type Family =
  | { readonly kind: 'exact'; readonly encoding: EncodingName }
  | { readonly kind: 'estimate'; readonly estimator: Estimator };

const exact = (encoding: EncodingName): Family => ({ kind: 'exact', encoding });
const estimate = (estimator: Estimator): Family => ({ kind: 'estimate', estimator });

/** The first that matches decides. Names come with provider prefixes (`openai/…`, `us.anthropic.…`), dates and `ft:`. */
const FAMILIES: readonly (readonly [RegExp, Family])[] = [
  [
    /(?:^|[^a-z])(?:text-davinci-(?:00[23]|edit)|code-(?:davinci|cushman)|(?:davinci|cushman)-codex)/,
    exact('p50k_base'),
  ],
  [
    /(?:^|[^a-z])(?:(?:text|code)-(?:similarity|search)-(?:ada|babbage|curie|davinci)-[a-z0-9-]+|gpt-?2|(?:text-)?(?:ada|babbage|curie|davinci)(?:-001)?(?::ft-.*)?)$/,
    exact('r50k_base'),
  ],
  [/gpt-?oss/, exact('o200k_base')],
  [
    /(?:^|[^a-z])(?:gpt-?3\.?5|gpt-?35|text-embedding-(?:ada-002|3-)|(?:davinci|babbage)-002)/,
    exact('cl100k_base'),
  ],
  [/(?:^|[^a-z])gpt-?4(?!o|\.\d)/, exact('cl100k_base')],
  [
    /(?:^|[^a-z])(?:gpt-?4o|gpt-?4\.\d|gpt-?[5-9]|chatgpt|chat-latest|o[1-9](?:$|-)|codex|computer-use)/,
    exact('o200k_base'),
  ],
  [/claude/, estimate(ESTIMATORS.claude)],
  [/gemini|gemma|palm|bison/, estimate(ESTIMATORS.gemini)],
  [/llama/, estimate(ESTIMATORS.llama3)],
  [/mistral|mixtral|codestral|ministral|magistral|devstral|pixtral/, estimate(ESTIMATORS.mistral)],
  [/qwen|qwq/, estimate(ESTIMATORS.qwen)],
  [/deepseek/, estimate(ESTIMATORS.deepseek)],
];

const UNKNOWN = estimate(ESTIMATORS.unknown);

/** How a model's tokens are counted. */
export function familyOf(model: string): Family {
  const name = model.toLowerCase();
  for (const [pattern, family] of FAMILIES) {
    if (!pattern.test(name)) continue;
    return name.includes('claude') && isClaude47(name) ? estimate(ESTIMATORS.claude47) : family;
  }
  return UNKNOWN;
}

/** Whether a Claude model has the tokenizer of 4.7 and later: `claude-opus-4-7`, `claude-sonnet-5`, `claude-5-haiku`. */
function isClaude47(name: string): boolean {
  const version = /claude-(?:[a-z]+-)?(\d{1,2})(?!\d)(?:[.-](\d{1,2})(?!\d))?/.exec(name);
  if (version === null) return false;
  const major = Number(version[1]);
  return major > 4 || (major === 4 && Number(version[2] ?? 0) >= 7);
}
