import { type HashKey, keyedHash } from '../core/keyed-hash.ts';
import type { Scrubber } from '../processors/scrub/index.ts';
import type { Content } from '../schemas/call-event.ts';

/** Default limit of captured text a side, bytes. */
export const CAPTURE_MAX_BYTES = 64 * 1024;

export interface CaptureOptions {
  readonly scrubber: Scrubber;
  readonly contentKey: HashKey;
  /** Limit of captured text a side, bytes; 0 leaves content out (sizes and hash stay). */
  readonly maxBytes: number;
}

export const NO_CONTENT: Content = { state: 'none', bytes: 0 };
