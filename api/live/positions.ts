/** Next offset to read, by partition. */
export type Positions = ReadonlyMap<number, bigint>;

const MAX_TEXT = 64 * 1024;
const ITEM = /^(\d{1,5})-(\d{1,19})$/;

/** As the id of an event: `0-123.1-45`. */
export function formatPositions(positions: Positions): string {
  return [...positions].map(([partition, offset]) => `${partition}-${offset}`).join('.');
}

/** What `formatPositions` wrote; null for anything else. */
export function parsePositions(text: string): Positions | null {
  if (text.length > MAX_TEXT) return null;
  const positions = new Map<number, bigint>();
  for (const item of text.split('.')) {
    const match = ITEM.exec(item);
    if (match === null) return null;
    positions.set(Number(match[1]), BigInt(match[2] as string));
  }
  return positions;
}

/** Whether two are the same place. */
export function sameStart(a: Positions, b: Positions): boolean {
  if (a.size !== b.size) return false;
  for (const [partition, offset] of a) if (b.get(partition) !== offset) return false;
  return true;
}
