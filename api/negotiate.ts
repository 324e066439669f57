/** Formats that an answer can have. */
export type Format = 'json' | 'csv';

const TYPES: Readonly<Record<Format, { readonly type: string; readonly subtype: string }>> = {
  json: { type: 'application', subtype: 'json' },
  csv: { type: 'text', subtype: 'csv' },
};

/**
 * The format that `Accept` prefers of those offered (RFC 9110 §12.5.1), the first offered where it leaves the choice,
 * null where it takes none of them. Text that is not a media range is passed over.
 */
export function negotiate(accept: string | undefined, offered: readonly Format[]): Format | null {
  if (accept === undefined || accept.trim() === '') return offered[0] ?? null;
  let best: { format: Format; quality: number } | null = null;
  for (const format of offered) {
    const quality = qualityOf(accept, TYPES[format]);
    if (quality > (best?.quality ?? 0)) best = { format, quality };
  }
  return best?.format ?? null;
}

/** The quality that the most specific range which fits gives to a type. */
function qualityOf(accept: string, { type, subtype }: { type: string; subtype: string }): number {
  let found = { precision: -1, quality: 0 };
  for (const range of accept.toLowerCase().split(',')) {
    const [media = '', ...parameters] = range.split(';').map((part) => part.trim());
    const precision =
      media === `${type}/${subtype}` ? 2 : media === `${type}/*` ? 1 : media === '*/*' ? 0 : -1;
    if (precision <= found.precision) continue;
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const quality = q === undefined ? 1 : Number(q);
    found = { precision, quality: Number.isFinite(quality) ? quality : 0 };
  }
  return found.quality;
}
