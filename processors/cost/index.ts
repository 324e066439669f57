import { readFileSync } from 'node:fs';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { yamlError } from '../../schemas/yaml.ts';
import { openReloaded, type Reloaded } from '../reload.ts';
import { type BundledCatalog, bundledCatalog, type PricedModel, priceAt } from './catalog.ts';
import { type Fee, type Overlay, readOverlay } from './overlay.ts';
import { type ModelAt, parsePriceId } from './price-id.ts';

export { allocate } from './allocate.ts';
export { type PricedUsage, priceUsage, type TokenUsage, UNPRICED, type UsageLine } from './usage.ts';

/** Every price that is known: the bundled tables under the price files, of which later ones win. */
export interface Catalog {
  /** Names all of its sources. */
  readonly version: string;
  /** A model's price that held at a time, as known at another (default: by all that is known now). */
  priceOf(model: string, atMs: number, knownMs?: number): ModelAt | null;
  /** The price that an id in a cost line names; null where it is none, or is of a version that isn't loaded. */
  describe(priceId: string): DescribedPrice | null;
  /** A tool's fee that held at a time, whatever the outcome. */
  feeOf(server: string, tool: string, atMs: number, knownMs?: number): Fee | null;
}

/** A price found again by its id. */
export interface DescribedPrice {
  readonly source: PricedModel['source'];
  readonly model: string;
  readonly kind: string;
  /** Tokens of input above which it holds; null for the base price. */
  readonly above: string | null;
  readonly unit_price_usd: string;
  /** ISO time; null where the source gives none. */
  readonly valid_from: string | null;
  readonly valid_to: string | null;
  readonly recorded_at: string | null;
}

/** Names come from clients: the cache of their resolutions is emptied when it has grown to this. */
const MAX_CACHED_NAMES = 4096;

/** Builds a catalogue of price files that are read already, the later ones over the earlier. */
export function catalogOf(overlays: readonly Overlay[], bundled: BundledCatalog): Catalog {
  const replaced = overlays.some((overlay) => overlay.replacesBundled);
  const layers = [...overlays].reverse();
  const names = new Map<string, PricedModel | null>();
  const find = (name: string): PricedModel | null => {
    let model = names.get(name);
    if (model === undefined) {
      if (names.size >= MAX_CACHED_NAMES) names.clear();
      model = bundled.find(name);
      names.set(name, model);
    }
    return model;
  };
  const holding = (model: PricedModel | null, atMs: number, knownMs: number): ModelAt | null => {
    if (model === null) return null;
    const price = priceAt(model, atMs, knownMs);
    return price === null ? null : { model, price };
  };
  return {
    version: [...(replaced ? [] : [bundled.version]), ...overlays.map(({ version }) => version)].join('+'),
    priceOf(name, atMs, knownMs = Number.POSITIVE_INFINITY) {
      for (const layer of layers) {
        const found = holding(layer.model(name), atMs, knownMs);
        if (found !== null) return found;
      }
      return replaced ? null : holding(find(name), atMs, knownMs);
    },
    describe(priceId) {
      const ref = parsePriceId(priceId);
      if (ref === null || ref.kind === null) return null;
      const model =
        ref.source === 'overlay'
          ? (layers.find(({ version }) => version === ref.version)?.named(ref.model) ?? null)
          : bundled.version === ref.version
            ? bundled.named(ref.source, ref.model)
            : null;
      const price = model?.prices.find(({ label }) => label === ref.label);
      const rate = price?.rates.get(ref.kind);
      const unit = ref.tier === null ? rate?.base : rate?.tiers.find(({ tier }) => tier === ref.tier);
      if (model === null || price === undefined || unit === undefined) return null;
      return {
        source: model.source,
        model: model.id,
        kind: ref.kind,
        above: ref.tier?.toString() ?? null,
        unit_price_usd: unit.unitPriceUsd,
        valid_from: isoOrNull(price.fromMs),
        valid_to: isoOrNull(price.toMs),
        recorded_at: isoOrNull(price.recordedMs),
      };
    },
    feeOf(server, tool, atMs, knownMs = Number.POSITIVE_INFINITY) {
      for (const layer of layers) {
        const found = layer
          .fees(server, tool)
          .findLast((fee) => fee.recordedMs <= knownMs && fee.fromMs <= atMs && atMs < fee.toMs);
        if (found !== undefined) return found;
      }
      return null;
    },
  };
}

const isoOrNull = (ms: number): string | null => (Number.isFinite(ms) ? new Date(ms).toISOString() : null);

/**
 * The bundled prices with price files over them.
 * @throws ToolmeterError TM_PRICES with every problem of the first file that has one.
 */
export function loadCatalog(files: readonly string[] = []): Catalog {
  return catalogOf(files.map(loadOverlay), bundledCatalog());
}

function loadOverlay(file: string): Overlay {
  const result = readOverlay(readBytes(file), file);
  if (!result.ok) throw yamlError('TM_PRICES', file, result.problems, 'See docs/cost.md for the format.');
  return result.overlay;
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ToolmeterError('TM_PRICES', `${file}: ${messageOf(error)}`, 'Check the path under `prices`.', {
      cause: error,
    });
  }
}

/** Every problem of a price file, for `config check`. */
export function checkPriceFile(file: string): { where: string; message: string }[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    return [{ where: file, message: messageOf(error) }];
  }
  const result = readOverlay(bytes, file);
  if (result.ok) return [];
  return result.problems.map(({ line, column, path, message }) => ({
    where: `${file}:${line}:${column}`,
    message: path === '' ? message : `${path}: ${message}`,
  }));
}

/** A catalogue that follows its files; while one is bad, the last good catalogue stays and `status` says so. */
export function openCatalog(
  files: readonly string[],
  options: { readonly log: Log; readonly debounceMs?: number; readonly pollMs?: number },
): Reloaded<Catalog> {
  return openReloaded(files, () => loadCatalog(files), { ...options, name: 'prices' });
}
