import { createHash } from 'node:crypto';
import { fold } from '../../core/fold.ts';
import { instantMs, type ModelPrice, type Prices, PricesSchema, type ToolFee } from '../../schemas/prices.ts';
import {
  formatPath,
  parseYamlFile,
  type YamlPath,
  type YamlPlace,
  type YamlProblem,
} from '../../schemas/yaml.ts';
import type { PricedModel } from './catalog.ts';
import {
  finePrice,
  type Price,
  type PriceKind,
  type Rate,
  type TieredRate,
  TOKEN_KINDS,
  tieredRate,
} from './price.ts';

/** A tool's fee in a span of valid time. */
export interface Fee {
  readonly version: string;
  /** `server/tool`, for price ids. */
  readonly id: string;
  readonly label: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly recordedMs: number;
  readonly rate: Rate;
  readonly per: 'call' | 'second';
  readonly outcomes: ReadonlySet<string>;
}

/** One price file, indexed. Of what holds at a time the latest recorded counts, then the latest begun. */
export interface Overlay {
  readonly version: string;
  readonly replacesBundled: boolean;
  model(name: string): PricedModel | null;
  /** The model by the name that price ids have. */
  named(id: string): PricedModel | null;
  fees(server: string, tool: string): readonly Fee[];
}

export type OverlayResult =
  | { readonly ok: true; readonly overlay: Overlay }
  | { readonly ok: false; readonly problems: readonly YamlProblem[] };

/** Reads a price file. Two prices of one thing that begin together are a problem: which one holds? */
export function readOverlay(source: string | Uint8Array, fileName: string): OverlayResult {
  const parsed = parseYamlFile(source, PricesSchema, fileName);
  if (!parsed.ok) return parsed;
  const problems = conflicts(parsed.value, parsed.locate);
  if (problems.length > 0) return { ok: false, problems };
  const version = `file.${createHash('sha256').update(source).digest('hex').slice(0, 12)}`;
  return { ok: true, overlay: indexed(parsed.value, version) };
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  readonly recordedMs: number;
  readonly label: string;
}

function spanOf(entry: ModelPrice | ToolFee, file: Prices): Span {
  const recorded = entry.recorded_at ?? file.recorded_at;
  return {
    fromMs: entry.valid_from === undefined ? Number.NEGATIVE_INFINITY : instantMs(entry.valid_from),
    toMs: entry.valid_to === undefined ? Number.POSITIVE_INFINITY : instantMs(entry.valid_to),
    recordedMs: recorded === undefined ? Number.NEGATIVE_INFINITY : instantMs(recorded),
    // Both times: a price that was corrected is another price from the same day on.
    label: `${entry.valid_from ?? '*'}${recorded === undefined ? '' : `,${recorded}`}`,
  };
}

const modelKey = (name: string): string => name.trim().toLowerCase();
const feeKey = (server: string, tool: string): string => `${fold(server)}\0${fold(tool)}`;
const bySpan = (a: Span, b: Span): number =>
  compare(a.recordedMs, b.recordedMs) || compare(a.fromMs, b.fromMs);
/** Not by subtraction: the ends of time are infinite. */
const compare = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);

function indexed(file: Prices, version: string): Overlay {
  const models = new Map<string, { id: string; prices: Price[] }>();
  for (const entry of file.models) {
    const price = priceOf(entry, file);
    for (const name of [entry.model, ...entry.aliases]) {
      const key = modelKey(name);
      const known = models.get(key) ?? { id: entry.model, prices: [] };
      known.prices.push(price);
      models.set(key, known);
    }
  }
  const fees = new Map<string, Fee[]>();
  for (const entry of file.tools) {
    const key = feeKey(entry.server, entry.tool);
    const fee: Fee = {
      version,
      id: `${entry.server}/${entry.tool}`,
      ...spanOf(entry, file),
      rate: tieredRate('request', finePrice(entry.fee_usd, 1)).base,
      per: entry.per,
      outcomes: new Set(entry.outcomes),
    };
    fees.set(key, [...(fees.get(key) ?? []), fee].sort(bySpan));
  }
  for (const { prices } of models.values()) prices.sort(bySpan);
  const built = new Map<string, PricedModel>();
  for (const [key, { id, prices }] of models)
    built.set(key, { version, source: 'overlay', id, prices, firstHoldsBefore: false });
  return {
    version,
    replacesBundled: file.base === 'none',
    model: (name) => built.get(modelKey(name)) ?? null,
    named: (id) => built.get(modelKey(id)) ?? null,
    fees: (server, tool) => fees.get(feeKey(server, tool)) ?? fees.get(feeKey(server, '*')) ?? [],
  };
}

function priceOf(entry: ModelPrice, file: Prices): Price {
  const { above, ...base } = entry.usd_per_million_tokens;
  const rates = new Map<PriceKind, TieredRate>();
  for (const kind of TOKEN_KINDS) {
    const price = base[kind];
    if (price === undefined) continue;
    const tiers = above.flatMap((tier) => {
      const text = tier[kind];
      return text === undefined
        ? []
        : [{ start: BigInt(tier.input_tokens), price: finePrice(text, 1_000_000) }];
    });
    rates.set(kind, tieredRate(kind, finePrice(price, 1_000_000), tiers));
  }
  if (entry.usd_per_request !== undefined)
    rates.set('request', tieredRate('request', finePrice(entry.usd_per_request, 1)));
  return { ...spanOf(entry, file), daily: null, rates };
}

function conflicts(file: Prices, locate: (path: YamlPath) => YamlPlace): YamlProblem[] {
  const problems: YamlProblem[] = [];
  const seen = new Map<string, { span: Span; path: YamlPath }[]>();
  const tell = (path: YamlPath, message: string): void => {
    problems.push({ ...locate(path), path: formatPath(path), message });
  };
  const check = (key: string, span: Span, path: YamlPath): void => {
    if (span.fromMs >= span.toMs) tell(path, 'ends before it begins: valid_to must be after valid_from');
    const others = seen.get(key) ?? [];
    const twin = others.find(({ span: other }) => bySpan(other, span) === 0);
    if (twin !== undefined)
      tell(path, `has the same valid_from as the price of the same name in line ${locate(twin.path).line}`);
    seen.set(key, [...others, { span, path }]);
  };
  for (const [i, entry] of file.models.entries()) {
    const span = spanOf(entry, file);
    for (const name of new Set([entry.model, ...entry.aliases].map(modelKey)))
      check(`model\0${name}`, span, ['models', i]);
    const { above, ...base } = entry.usd_per_million_tokens;
    const path = ['models', i, 'usd_per_million_tokens'];
    if (Object.keys(base).length === 0 && entry.usd_per_request === undefined) tell(path, 'holds no price');
    const starts = new Set<number>();
    for (const [t, tier] of above.entries()) {
      const here = [...path, 'above', t];
      if (starts.has(tier.input_tokens)) tell(here, 'has the same input_tokens as another tier');
      starts.add(tier.input_tokens);
      for (const kind of TOKEN_KINDS)
        if (tier[kind] !== undefined && base[kind] === undefined)
          tell([...here, kind], `needs a base price: usd_per_million_tokens.${kind}`);
    }
  }
  for (const [i, entry] of file.tools.entries())
    check(`tool\0${feeKey(entry.server, entry.tool)}`, spanOf(entry, file), ['tools', i]);
  return problems;
}
