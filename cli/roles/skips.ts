import type { Skipped } from '../../eventlog/skipped.ts';
import { observeSkipped } from '../../telemetry/observe.ts';

/**
 * What retention dropped before a role had read it: counted for metrics, and noted in what the role says of itself.
 * It does not make a role unready: no waiting and no restart brings it back.
 */
export class Skips {
  #offsets = 0n;

  readonly tell = (skipped: Skipped): void => {
    this.#offsets += skipped.to - skipped.from;
    observeSkipped(skipped);
  };

  /** To end a part's detail. */
  note(): string {
    return this.#offsets === 0n
      ? ''
      : `; ${this.#offsets} offsets were dropped by retention before they were read`;
  }
}
