import { inRunAt, markedAt, withAwsSecrets } from './anchors.ts';
import { CodeUnits } from './code-units.ts';
import type { KeyInfo } from './key-names.ts';
import { placeholderEnd } from './pseudonym.ts';
import { type Hit, isAlnum, isDigit, Segment } from './segment.ts';
import { nextTrigger, runEnd } from './trigger.ts';

const NONE: readonly Hit[] = [];
const reader = new CodeUnits();

/** Finds what a text holds, in order, not overlapping. */
export function scan(text: string, key: KeyInfo): readonly Hit[] {
  return scanUnits(text, reader.read(text, 0, text.length), 0, text.length, key);
}

/**
 * The same in a stretch of a text whose code units are read already; offsets are those of the stretch. The trigger
 * decides where a detector must look at all; a detector then looks at a bounded neighbourhood: linear in the text's
 * length, whatever the text.
 */
export function scanUnits(
  text: string,
  units: Uint16Array,
  from: number,
  to: number,
  key: KeyInfo,
): readonly Hit[] {
  let i = nextTrigger(units, from, to);
  if (i === to) return NONE;
  const segment = new Segment(to - from === text.length ? text : text.slice(from, to), key);
  const hits: Hit[] = [];
  /** End of what was found last: nothing reaches back over it. */
  let floor = 0;
  let aws = false;
  while (i < to) {
    const code = units[i] as number;
    const at = i - from;
    let hit: Hit | undefined;
    let next = i + 1;
    if (isAlnum(code) || code === 95 || code === 45 || code === 46) {
      next = runEnd(units, i, to);
      const digit = firstDigit(units, i, next);
      hit = inRunAt(segment, at, next - from, digit === -1 ? -1 : digit - from);
      if (hit?.detector === 'secret.aws_access_key') aws = true;
    } else {
      const after = code === 60 ? placeholderEnd(segment.text, at) : -1;
      if (after === -1) hit = markedAt(segment, at, code, floor);
      else {
        next = after + from;
        floor = after;
      }
    }
    if (hit !== undefined) {
      hits.push(hit);
      next = hit.end + from;
      floor = hit.end;
    }
    i = nextTrigger(units, next, to);
  }
  return aws ? withAwsSecrets(segment, hits) : hits;
}

/** The first digit of a run, or −1. */
function firstDigit(units: Uint16Array, from: number, to: number): number {
  for (let i = from; i < to; i++) if (isDigit(units[i] as number)) return i;
  return -1;
}
