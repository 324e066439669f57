/**
 * Sorted, disjoint, non-adjacent ranges of whole numbers, flat: first, last, first, last, … Changed in place, so that
 * a lane with many costs a search and one move of memory a record.
 */
export type Ranges = number[];

/** Index of the first range that ends at or after `n`, as its place in the flat array. */
function find(ranges: Ranges, n: number): number {
  let low = 0;
  let high = ranges.length / 2;
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((ranges[mid * 2 + 1] as number) < n) low = mid + 1;
    else high = mid;
  }
  return low * 2;
}

export function has(ranges: Ranges, n: number): boolean {
  const at = find(ranges, n);
  return at < ranges.length && (ranges[at] as number) <= n;
}

/** True where taking the number out would make two ranges of one. */
export function splits(ranges: Ranges, n: number): boolean {
  const at = find(ranges, n);
  return at < ranges.length && (ranges[at] as number) < n && n < (ranges[at + 1] as number);
}

/** Takes a number out; true where it was in. */
export function take(ranges: Ranges, n: number): boolean {
  const at = find(ranges, n);
  if (at >= ranges.length) return false;
  const first = ranges[at] as number;
  const last = ranges[at + 1] as number;
  if (first > n) return false;
  if (first === last) ranges.splice(at, 2);
  else if (first === n) ranges[at] = n + 1;
  else if (last === n) ranges[at + 1] = n - 1;
  else ranges.splice(at + 1, 0, n - 1, n + 1);
  return true;
}

/** Puts a number in. */
export function put(ranges: Ranges, n: number): void {
  const at = find(ranges, n);
  if (at < ranges.length && (ranges[at] as number) <= n) return;
  const joinsBefore = at > 0 && ranges[at - 1] === n - 1;
  const joinsAfter = at < ranges.length && ranges[at] === n + 1;
  if (joinsBefore && joinsAfter) ranges.splice(at - 1, 2);
  else if (joinsBefore) ranges[at - 1] = n;
  else if (joinsAfter) ranges[at] = n;
  else ranges.splice(at, 0, n, n);
}

/** Puts in a range above all others. */
export function append(ranges: Ranges, first: number, last: number): void {
  ranges.push(first, last);
}

/** How many numbers are in. */
export function size(ranges: Ranges): number {
  let sum = 0;
  for (let i = 0; i < ranges.length; i += 2) sum += (ranges[i + 1] as number) - (ranges[i] as number) + 1;
  return sum;
}

/** As steps: from the last number before to the first, then to the last. Small numbers make short text. */
export function toSteps(ranges: Ranges): number[] {
  let before = 0;
  return ranges.map((n) => {
    const step = n - before;
    before = n;
    return step;
  });
}

export function fromSteps(steps: readonly number[]): Ranges {
  let n = 0;
  return steps.map((step) => {
    n += step;
    return n;
  });
}
