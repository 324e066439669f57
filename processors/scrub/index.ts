import { ToolmeterError } from '../../core/errors.ts';
import type { HashKey } from '../../core/keyed-hash.ts';
import { applyEdits, type Edit } from './edits.ts';
import { NO_KEY } from './key-names.ts';
import { pseudonyms } from './pseudonym.ts';
import { Walker } from './walk.ts';

/** Engine and rules; a text that another version scrubbed is scrubbed again. Raise it when either finds more. */
export const SCRUB_VERSION = '2';

/** What was found where. Offsets are UTF-16 code units of the input text, end exclusive. */
export interface Finding {
  /** `email`, `phone`, `card`, `iban`, `ssn`, `ip`, `secret`, or a key name's type: `secret`, `ssn`, `dob`, `government_id`. */
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

/**
 * Scrubbing what is scrubbed changes nothing. Both methods are linear in the text's length, and throw
 * `TM_SCRUB_FAILED` when they can't tell: whoever calls then withholds the text.
 */
export interface Scrubber {
  /** Engine and rule version; a row says by which it was scrubbed. */
  readonly version: string;
  readonly kid: string;
  /** Scrubs JSON text (keys, strings, numbers, with offsets). Text that is not JSON, or was cut, is scrubbed as far as it is JSON and then as plain text. */
  json(text: string): ScrubResult;
  /** Scrubs plain text; where it starts as JSON, as JSON. */
  plain(text: string): ScrubResult;
}

/** A scrubber. It remembers keys of JSON that hold no finding, and nothing of values. */
export function createScrubber(options: ScrubOptions): Scrubber {
  const walker = new Walker();
  const guarded = (
    text: string,
    find: (name: ReturnType<typeof pseudonyms>) => readonly Edit[],
  ): ScrubResult => {
    try {
      return resultOf(text, find(pseudonyms(options.key)));
    } catch (cause) {
      // The cause stays out: its message could quote the text.
      const kind = cause instanceof Error ? cause.name : typeof cause;
      throw new ToolmeterError(
        'TM_SCRUB_FAILED',
        `Scrubbing failed (${kind}).`,
        'The content is withheld. Please report this.',
      );
    }
  };
  return {
    version: SCRUB_VERSION,
    kid: options.key.kid,
    json: (text) => guarded(text, (name) => walker.message(text, NO_KEY, name)),
    plain: (text) => guarded(text, (name) => walker.text(text, NO_KEY, name)),
  };
}

function resultOf(text: string, edits: readonly Edit[]): ScrubResult {
  const findings: Finding[] = [];
  const media = { items: 0, bytes: 0 };
  for (const { type, start, end, detector } of edits) {
    if (type === 'media') {
      media.items++;
      media.bytes += end - start;
    } else findings.push({ type, start, end, detector });
  }
  return { text: applyEdits(text, edits), findings, media };
}
