import type { NewRecord } from './port.ts';

/** Bytes of a record by which limits are counted: key, header names and values, value, all as UTF-8. */
export function recordSizeBytes(record: NewRecord): number {
  let size = byteLength(record.value);
  if (record.key !== undefined) size += Buffer.byteLength(record.key);
  for (const name in record.headers)
    size += Buffer.byteLength(name) + Buffer.byteLength(record.headers[name] as string);
  return size;
}

function byteLength(value: Uint8Array | string | null): number {
  if (value === null) return 0;
  return typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
}
