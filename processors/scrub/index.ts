import type { HashKey } from '../../core/keyed-hash.ts';

/** What was found where. Offsets are UTF-16 code units of the input text, end exclusive. */
export interface Finding {
  /** `email`, `phone`, `card`, `iban`, `ssn`, `ip`, `secret`, or a key name's type. */
  readonly type: string;
  readonly start: number;
  readonly end: number;
  /** The detector that decided, e.g. `email`, `secret.aws_access_key`, `key_name.password`. */
  readonly detector: string;
}

export interface ScrubResult {
  /** The input with each finding and each media payload replaced in place; all else to the byte. */
  readonly text: string;
  readonly findings: readonly Finding[];
  /** Base64 payloads of images, audio and blobs that were replaced: how many, and bytes of their text. */
  readonly media: { readonly items: number; readonly bytes: number };
}

export interface ScrubOptions {
  /** Keys the pseudonyms. */
  readonly key: HashKey;
}

export interface Scrubber {
  /** Engine and rule version; a row says by which it was scrubbed. */
  readonly version: string;
  readonly kid: string;
  /** Scrubs JSON text (keys, strings, numbers, with offsets). Text that is not JSON, or was cut, is scrubbed as far as it is JSON and then as plain text. */
  json(text: string): ScrubResult;
  /** Scrubs plain text. */
  plain(text: string): ScrubResult;
}

export declare function createScrubber(options: ScrubOptions): Scrubber;
