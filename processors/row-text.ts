import { type MeteredCall, MeteredCallSchema } from '../schemas/metered-call.ts';

const NAMES = Object.keys(MeteredCallSchema.shape) as (keyof MeteredCall)[];
/** The sink goes by it, and a partition's first is 0. */
const ALWAYS = 'raw_offset' satisfies keyof MeteredCall;
const PREFIX = new Map(NAMES.map((name) => [name, `,${JSON.stringify(name)}:`]));

/**
 * JSON text of a row as `MeteredCallRecordSchema` reads it: what is zero, false or empty is left out. A call
 * with 1 KB of content has 49 of 77 columns, and is 17 % shorter by that.
 */
export function rowText(row: MeteredCall): string {
  let text = '';
  for (const name of NAMES) {
    const value = row[name];
    if (isZero(value) && name !== ALWAYS) continue;
    text += PREFIX.get(name) + (typeof value === 'number' ? String(value) : JSON.stringify(value));
  }
  return `{${text.slice(1)}}`;
}

function isZero(value: MeteredCall[keyof MeteredCall]): boolean {
  if (value === '' || value === 0 || value === false) return true;
  if (typeof value !== 'object') return false;
  for (const _ in value) return false;
  return true;
}
