import { encodeLines } from '../../collectors/spool/wire-client.ts';
import type { RawRecord } from '../../schemas/record.ts';

/** A record as a collector posts it, without its line break. */
export function encodeLine(record: RawRecord): string {
  return encodeLines([record]).toString().slice(0, -1);
}
