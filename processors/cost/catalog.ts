import { readFileSync } from 'node:fs';
import type { CatalogHeader, CatalogModel, Match } from './catalog/format.ts';
import { belongs, type Fit, fitOf } from './match.ts';
import { holdsAtTimeOfDay, type Price, priceOfSet } from './price.ts';
import { type ParsedName, parseName } from './providers.ts';

/** A model with its prices, as one source knows it. */
export interface PricedModel {
  /** Names the bytes that the price comes from; first part of its ids. */
  readonly version: string;
  readonly source: 'genai-prices' | 'litellm' | 'overlay';
  /** How the model is named in price ids. */
  readonly id: string;
  /** Of those that hold at a time, the last one counts. */
  readonly prices: readonly Price[];
  /** Bundled tables start with the oldest price they know: it counts before its time too. */
  readonly firstHoldsBefore: boolean;
}

/** The bundled price tables, indexed. */
export interface BundledCatalog {
  readonly version: string;
  readonly recordedAt: string;
  find(name: string): PricedModel | null;
  /** The model by source and id, as price ids name it. */
  named(source: string, id: string): PricedModel | null;
  /** Both sources' answers, for the report of conflicts. */
  candidates(name: string): Candidates;
}

export interface Candidates {
  /** `served`: the model of another provider, which this one serves at that one's price. */
  readonly genai: { readonly model: PricedModel; readonly fit: 'exact' | 'family' | 'served' } | null;
  readonly litellm: PricedModel | null;
}

interface GenaiProvider {
  readonly id: string;
  readonly match?: Match | undefined;
  readonly fallback: readonly string[];
  readonly models: { readonly name: string; readonly match: Match; readonly model: PricedModel }[];
}

/** Model names are part of price ids, and come from clients: longer ones are nobody's. */
const MAX_NAME = 200;

let bundled: BundledCatalog | undefined;

/** The catalogue that ships with this version, read once. */
export function bundledCatalog(): BundledCatalog {
  bundled ??= readCatalog(readFileSync(new URL('./catalog/catalog.ndjson', import.meta.url), 'utf8'));
  return bundled;
}

/** Indexes the text of a catalogue in the format of `catalog/format.ts`. */
export function readCatalog(text: string): BundledCatalog {
  const end = text.indexOf('\n');
  const header = JSON.parse(text.slice(0, end)) as CatalogHeader;
  const recordedMs = Date.parse(header.recorded_at);
  const providers = new Map<string, GenaiProvider>(
    header.providers.map(({ id, match, fallback }) => [
      id,
      { id, match, fallback: fallback ?? [], models: [] },
    ]),
  );
  const ids = new Map<string, PricedModel>();
  const keys = new Map<string, { readonly provider: string; readonly model: PricedModel }>();
  for (const line of text.slice(end + 1).split('\n')) {
    if (line === '') continue;
    const entry = JSON.parse(line) as CatalogModel;
    const model = lazyModel(header.version, recordedMs, entry);
    ids.set(`${model.source}:${model.id}`, model);
    if (entry.source === 'litellm') keys.set(entry.model.toLowerCase(), { provider: entry.provider, model });
    else
      providers.get(entry.provider)?.models.push({
        name: entry.model.toLowerCase(),
        match: entry.match ?? { equals: entry.model },
        model,
      });
  }

  const candidates = (name: string): Candidates => {
    const lower = name.trim().toLowerCase();
    if (lower === '' || lower.length > MAX_NAME) return { genai: null, litellm: null };
    const parsed = parseName(lower, providers);
    const provider = genaiProvider(parsed, providers);
    return {
      genai: provider === null ? null : findGenai(provider, parsed.rest, providers),
      litellm: findLitellm(lower, parsed, provider?.id ?? null, keys),
    };
  };
  return {
    version: header.version,
    recordedAt: header.recorded_at,
    candidates,
    find: (name) => choose(candidates(name)),
    named: (source, id) => ids.get(`${source}:${id}`) ?? null,
  };
}

/**
 * Where both tables know a model: genai-prices, which has dates and is kept by hand, when it names this very model or
 * knows its price over time; else LiteLLM, whose key is this very name, before a clause for a family of names. But
 * where they agree on input and output, the table that knows more cache prices and tiers: LiteLLM's entry for a dated
 * snapshot often lacks what its entry for the alias has.
 */
function choose({ genai, litellm }: Candidates): PricedModel | null {
  if (genai === null || litellm === null) return genai?.model ?? litellm;
  if (genai.fit === 'exact') return genai.model;
  if (genai.fit === 'served') return litellm;
  const dated = genai.model.prices.length > 1;
  return dated || knowsMore(genai.model, litellm) ? genai.model : litellm;
}

/** Whether two models with one price each have the same input and output, and the first has more rates beside. */
function knowsMore(model: PricedModel, other: PricedModel): boolean {
  const mine = model.prices[0];
  const theirs = other.prices[0];
  if (mine === undefined || theirs === undefined) return false;
  const same = (kind: 'input' | 'output'): boolean =>
    mine.rates.get(kind)?.base.price === theirs.rates.get(kind)?.base.price;
  return same('input') && same('output') && ratesIn(mine) > ratesIn(theirs);
}

function ratesIn({ rates }: Price): number {
  let count = 0;
  for (const { tiers } of rates.values()) count += 1 + tiers.length;
  return count;
}

/** Parses a model's prices when they are first asked for: most never are. */
function lazyModel(version: string, recordedMs: number, entry: CatalogModel): PricedModel {
  let prices: readonly Price[] | undefined;
  return {
    version,
    source: entry.source,
    id: entry.source === 'litellm' ? entry.model : `${entry.provider}/${entry.model}`,
    firstHoldsBefore: true,
    get prices() {
      prices ??= entry.prices.map((set) => priceOfSet(set, recordedMs));
      return prices;
    },
  };
}

/** The provider that a name says or, without one, that calls names like this its own. */
function genaiProvider(
  { provider, rest }: ParsedName,
  providers: ReadonlyMap<string, GenaiProvider>,
): GenaiProvider | null {
  if (provider !== null) return provider.genai === null ? null : (providers.get(provider.genai) ?? null);
  for (const candidate of providers.values()) {
    if (candidate.match === undefined || !belongs(candidate.match, rest)) continue;
    // "someone/claude-x" is someone's, whatever it is called; a provider's own names may hold a slash.
    const own =
      !rest.includes('/') || ('starts_with' in candidate.match && candidate.match.starts_with.includes('/'));
    if (own) return candidate;
  }
  return null;
}

function findGenai(
  provider: GenaiProvider,
  name: string,
  providers: ReadonlyMap<string, GenaiProvider>,
): Candidates['genai'] {
  return (
    findIn(provider, name) ??
    findIn(provider, withDashedDate(name)) ??
    provider.fallback.reduce<Candidates['genai']>((found, id) => {
      const other = providers.get(id);
      if (found !== null || other === undefined) return found;
      const model = findIn(other, name) ?? findIn(other, withDashedDate(name));
      return model === null ? null : { ...model, fit: 'served' };
    }, null)
  );
}

function findIn(provider: GenaiProvider, name: string): Candidates['genai'] {
  let family: PricedModel | null = null;
  for (const { name: own, match, model } of provider.models) {
    const fit: Fit = own === name && belongs(match, name) ? 'exact' : fitOf(match, name);
    if (fit === 'exact') return { model, fit };
    if (fit === 'family') family ??= model;
  }
  return family === null ? null : { model: family, fit: 'family' };
}

/** genai-prices writes snapshots of some models `-2025-05-14` where others write `-20250514`. */
function withDashedDate(name: string): string {
  return name.replace(/-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)/g, '-$1-$2-$3');
}

/** LiteLLM's keys are exact, with its provider's name before most and before none of the oldest. */
function findLitellm(
  name: string,
  { provider, rest }: ParsedName,
  genai: string | null,
  keys: ReadonlyMap<string, { readonly provider: string; readonly model: PricedModel }>,
): PricedModel | null {
  const exact = keys.get(name);
  if (exact !== undefined) return exact.model;
  const prefixes = provider?.litellm ?? MAKERS[genai ?? ''] ?? [];
  for (const prefix of prefixes) {
    const found = keys.get(`${prefix}/${rest}`);
    if (found !== undefined) return found.model;
  }
  const bare = keys.get(rest);
  // Vertex' providers are named by whose models they serve: `vertex_ai-language-models`.
  const own = (of: string): boolean =>
    prefixes.some((prefix) => of === prefix || of.startsWith(`${prefix}-`));
  return bare !== undefined && own(bare.provider) ? bare.model : null;
}

/** A bare name that a maker calls its own is priced as the maker sells it. */
const MAKERS: Readonly<Record<string, readonly string[]>> = {
  openai: ['openai'],
  anthropic: ['anthropic'],
  google: ['gemini'],
  mistral: ['mistral'],
  deepseek: ['deepseek'],
  'x-ai': ['xai'],
  cohere: ['cohere'],
  moonshotai: ['moonshot'],
  minimax: ['minimax'],
  voyageai: ['voyage'],
};

/** The price that holds at a time, as it was known at another; null where none is known. */
export function priceAt(model: PricedModel, atMs: number, knownMs: number): Price | null {
  let found: Price | null = null;
  for (let i = model.prices.length - 1; i >= 0 && found === null; i--) {
    const price = model.prices[i] as Price;
    if (
      price.recordedMs <= knownMs &&
      price.fromMs <= atMs &&
      atMs < price.toMs &&
      holdsAtTimeOfDay(price, atMs)
    )
      found = price;
  }
  if (found !== null || !model.firstHoldsBefore) return found;
  const first = model.prices[0];
  return first !== undefined && first.recordedMs <= knownMs ? first : null;
}
