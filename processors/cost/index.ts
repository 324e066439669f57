import { readFileSync } from 'node:fs';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { yamlError } from '../../schemas/yaml.ts';
import { openReloaded, type Reloaded } from '../reload.ts';
import { type BundledCatalog, bundledCatalog, type PricedModel, priceAt } from './catalog.ts';
import { type Fee, type Overlay, readOverlay } from './overlay.ts';
import type { ModelAt } from './usage.ts';

export { allocate } from './allocate.ts';
export { type PricedUsage, priceUsage, type TokenUsage, UNPRICED, type UsageLine } from './usage.ts';

/** Every price that is known: the bundled tables under the price files, of which later ones win. */
export interface Catalog {
  /** Names all of its sources. */
  readonly version: string;
  /** A model's price that held at a time, as known at another (default: by all that is known now). */
  priceOf(model: string, atMs: number, knownMs?: number): ModelAt | null;
  /** A tool's fee that held at a time, whatever the outcome. */
  feeOf(server: string, tool: string, atMs: number, knownMs?: number): Fee | null;
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
