/**
 * Builds the bundled price catalogue, `processors/cost/catalog/catalog.ndjson`, from two public price tables:
 * the data of the npm package `@pydantic/genai-prices`, and `sources/litellm.ndjson`. The same inputs give the same
 * bytes.
 *
 *     node scripts/prices.ts                          build
 *     node scripts/prices.ts --check                  exit with 1 where the file is not what would be built
 *     node scripts/prices.ts --conflicts              list the models on whose price the tables differ
 *     node scripts/prices.ts --litellm FILE VERSION   first take over LiteLLM's price table from FILE
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ModelInfo, type Provider, waitForUpdate } from '@pydantic/genai-prices';
import { formatUsd } from '../core/money.ts';
import type {
  CatalogHeader,
  CatalogModel,
  Daily,
  Match,
  PriceSet,
  Rate,
} from '../processors/cost/catalog/format.ts';
import { bundledCatalog, type PricedModel, priceAt } from '../processors/cost/catalog.ts';
import { amountOf, rateOf } from '../processors/cost/price.ts';

/** The day on which the tables were taken over: the recorded time of every price in them. */
const RECORDED_AT = '2026-11-25';

const folder = fileURLToPath(new URL('../processors/cost/catalog/', import.meta.url));
const target = `${folder}catalog.ndjson`;
const litellmSource = `${folder}sources/litellm.ndjson`;

type Raw = Record<string, unknown>;

/** Fields of LiteLLM's table that end up in the catalogue: rates per token and per request, and their tiers. */
const USED =
  /^(?:litellm_provider|mode|tiered_pricing|input_cost_per_request|output_cost_per_reasoning_token|(?:input_cost_per_token|output_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost|cache_creation_input_token_cost_above_1hr)(?:_above_\d+k?_tokens)?)$/;

/** Parses JSON keeping each number as the text that it is written in. */
function parseExact(text: string): unknown {
  return JSON.parse(text, function reviver(_key, value, context?: { source?: string }) {
    return typeof value === 'number' ? (context?.source ?? String(value)) : value;
  } as (key: string, value: unknown) => unknown);
}

function importLitellm(file: string, version: string): void {
  const table = parseExact(readFileSync(file, 'utf8')) as Record<string, Raw>;
  const lines = [JSON.stringify({ source: 'litellm', version, licence: 'MIT', recorded_at: RECORDED_AT })];
  for (const [id, entry] of Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const kept = Object.fromEntries(Object.entries(entry).filter(([field]) => USED.test(field)));
    const priced = Object.keys(kept).some((field) => field !== 'litellm_provider' && field !== 'mode');
    if (priced && id !== 'sample_spec') lines.push(JSON.stringify({ id, ...kept }));
  }
  writeFileSync(litellmSource, `${lines.join('\n')}\n`);
}

/**
 * A price as exact decimal text, USD per million tokens. The tables hold binary doubles (`1.0000000000000001e-07`):
 * a double carries 15 decimal digits faithfully (IEEE 754, DBL_DIG), so what stands behind them is noise.
 */
function perMillion(value: string | number, shift: number): string {
  const [mantissa, exponent] = Number(value).toExponential(14).split('e') as [string, string];
  return plainDecimal(mantissa, Number(exponent) + shift);
}

function plainDecimal(mantissa: string, exponent: number): string {
  const negative = mantissa.startsWith('-');
  const digits = mantissa.replace('-', '').replace('.', '');
  const point = 1 + exponent;
  const padded = point <= 0 ? `${'0'.repeat(1 - point)}${digits}` : digits.padEnd(point, '0');
  const whole = padded.slice(0, Math.max(1, point)).replace(/^0+(?=\d)/, '');
  const fraction = padded.slice(Math.max(1, point)).replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

const LITELLM_KINDS = {
  input: 'input_cost_per_token',
  output: 'output_cost_per_token',
  cache_read: 'cache_read_input_token_cost',
  cache_write: 'cache_creation_input_token_cost',
  cache_write_1h: 'cache_creation_input_token_cost_above_1hr',
  reasoning: 'output_cost_per_reasoning_token',
} as const;

function litellmModel(entry: Raw & { id: string }): CatalogModel | null {
  const provider = String(entry.litellm_provider ?? '');
  const set: PriceSet = {};
  const ranges = entry.tiered_pricing as (Raw & { range: [string, string] })[] | undefined;
  for (const [kind, field] of Object.entries(LITELLM_KINDS) as [keyof typeof LITELLM_KINDS, string][]) {
    const tiers: [number, string][] = [];
    for (const [name, value] of Object.entries(entry)) {
      const found = new RegExp(`^${field}_above_(\\d+)(k?)_tokens$`).exec(name);
      if (found === null || value === null) continue;
      // LiteLLM bills xAI's higher tier once the prompt reaches the limit, all others' when it exceeds it.
      const start = Number(found[1]) * (found[2] === 'k' ? 1000 : 1) - (provider === 'xai' ? 1 : 0);
      tiers.push([start, perMillion(value as string, 6)]);
    }
    for (const range of ranges?.slice(1) ?? [])
      if (range[field] !== undefined)
        tiers.push([Number(range.range[0]), perMillion(range[field] as string, 6)]);
    // Some cache prices have a tier only: below it, such tokens are billed as the plain ones.
    const plain = kind.startsWith('cache') ? LITELLM_KINDS.input : LITELLM_KINDS.output;
    const base = entry[field] ?? ranges?.[0]?.[field] ?? (tiers.length > 0 ? entry[plain] : undefined);
    if (base !== undefined && base !== null) set[kind] = rate(perMillion(base as string, 6), tiers);
  }
  const request = entry.input_cost_per_request;
  if (request !== undefined && request !== null) set.request = perMillion(request as string, 0);
  if (Object.keys(set).length === 0) return null;
  return { source: 'litellm', provider, model: entry.id, prices: [set] };
}

function rate(base: string, tiers: [number, string][]): Rate {
  return tiers.length === 0 ? base : { base, tiers: tiers.sort((a, b) => a[0] - b[0]) };
}

const GENAI_KINDS: Record<string, keyof PriceSet> = {
  input_mtok: 'input',
  output_mtok: 'output',
  cache_read_mtok: 'cache_read',
  cache_write_mtok: 'cache_write',
  cache_write_1h_mtok: 'cache_write_1h',
  output_reasoning_mtok: 'reasoning',
};

function genaiModel(provider: Provider, model: ModelInfo): CatalogModel | null {
  const dated = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  const prices = dated.map(({ prices: from, constraint }) => {
    const set: PriceSet = {};
    if (constraint?.type === 'start_date') set.from = constraint.start_date;
    if (constraint?.type === 'time_of_date')
      set.daily = [secondOfDay(constraint.start_time), secondOfDay(constraint.end_time)] satisfies Daily;
    for (const [key, value] of Object.entries(from)) {
      const kind = GENAI_KINDS[key];
      if (value === undefined) continue;
      if (kind !== undefined) {
        const plain = typeof value === 'number';
        const tiers = plain
          ? []
          : value.tiers.map((tier): [number, string] => [tier.start, perMillion(tier.price, 0)]);
        set[kind as 'input'] = rate(perMillion(plain ? value : value.base, 0), tiers);
      } else if (key === 'requests_kcount' && typeof value === 'number') set.request = perMillion(value, -3);
    }
    return set;
  });
  if (!prices.some((set) => Object.keys(set).some((key) => key !== 'from' && key !== 'daily'))) return null;
  return {
    source: 'genai-prices',
    provider: provider.id,
    model: model.id,
    match: model.match as Match,
    prices,
  };
}

function secondOfDay(text: string): number {
  const found = /^(\d{2}):(\d{2}):(\d{2})Z$/.exec(text);
  if (found === null) throw new Error(`a time of day that is not in UTC: ${text}`);
  return Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3]);
}

async function build(): Promise<string> {
  const providers = (await waitForUpdate()) ?? [];
  const genaiPackage = new URL('../package.json', import.meta.resolve('@pydantic/genai-prices'));
  const genaiVersion = (JSON.parse(readFileSync(genaiPackage, 'utf8')) as { version: string }).version;
  const [head, ...entries] = readFileSync(litellmSource, 'utf8').trimEnd().split('\n');
  const models = [
    ...providers.flatMap((provider) => provider.models.map((model) => genaiModel(provider, model))),
    ...entries.map((line) => litellmModel(JSON.parse(line))),
  ].filter((model) => model !== null);
  const body = models.map((model) => `${JSON.stringify(model)}\n`).join('');
  const header: CatalogHeader = {
    version: `${RECORDED_AT}.${createHash('sha256').update(body).digest('hex').slice(0, 8)}`,
    recorded_at: `${RECORDED_AT}T00:00:00Z`,
    sources: [
      { name: '@pydantic/genai-prices', version: genaiVersion, licence: 'MIT' },
      {
        name: 'litellm',
        version: (JSON.parse(head as string) as { version: string }).version,
        licence: 'MIT',
      },
    ],
    providers: providers.map(({ id, model_match, fallback_model_providers }) => ({
      id,
      ...(model_match !== undefined && { match: model_match as Match }),
      ...(fallback_model_providers !== undefined && { fallback: fallback_model_providers }),
    })),
  };
  return `${JSON.stringify(header)}\n${body}`;
}

/** One line a LiteLLM key whose price per million tokens in the other table is another today, and which one holds. */
function conflicts(now: number): string[] {
  const catalog = bundledCatalog();
  const shown = (model: PricedModel): string => {
    const price = priceAt(model, now, Number.POSITIVE_INFINITY);
    const of = (kind: 'input' | 'output'): string => {
      const rate = price === null ? null : rateOf(price, kind, 0n);
      return rate === null ? '-' : formatUsd(amountOf(1_000_000n, rate));
    };
    return `${of('input')}/${of('output')}`;
  };
  const lines: string[] = [];
  for (const line of readFileSync(litellmSource, 'utf8').trimEnd().split('\n').slice(1)) {
    const { id } = JSON.parse(line) as { id: string };
    const { genai, litellm } = catalog.candidates(id);
    if (genai === null || litellm === null || shown(genai.model) === shown(litellm)) continue;
    const holds = catalog.find(id)?.source;
    lines.push(
      `${id}: litellm ${shown(litellm)}, genai-prices ${shown(genai.model)} (${genai.model.id}, ${genai.fit}); ${holds} holds`,
    );
  }
  return lines;
}

const [option, file, version] = process.argv.slice(2);
if (option === '--litellm') {
  if (file === undefined || version === undefined) throw new Error('--litellm FILE VERSION');
  importLitellm(file, version);
}
if (option === '--conflicts') {
  const found = conflicts(Date.now());
  console.log(`${found.join('\n')}\n${found.length} conflicts; USD per million tokens, input/output`);
  process.exit(0);
}
const text = await build();
if (option === '--check') {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('processors/cost/catalog/catalog.ndjson is not current. Run: node scripts/prices.ts');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
  console.log(`${text.split('\n').length - 2} models, ${text.length} bytes`);
}
