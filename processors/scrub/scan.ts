import { inRunAt, markedAt, withAwsSecrets } from './anchors.ts';
import { codeUnits } from './code-units.ts';
import type { KeyInfo } from './key-names.ts';
import { placeholderEnd } from './pseudonym.ts';
import { type Hit, isAlnum, isDigit, Segment } from './segment.ts';
import { nextTrigger, runEnd } from './trigger.ts';

const NONE: readonly Hit[] = [];

/**
 * Finds what a stretch of text holds, in order, not overlapping; offsets are those of the stretch. The trigger decides
 * where a detector must look at all; a detector then looks at a bounded neighbourhood: linear in the text's length,
 * whatever the text.
 */
export function scan(text: string, from: number, to: number, key: KeyInfo): readonly Hit[] {
  const end = to - from;
  const units = codeUnits(text, from, to);
  let i = nextTrigger(units, 0, end);
  if (i === end) return NONE;
  const segment = new Segment(text.slice(from, to), key);
  const hits: Hit[] = [];
  /** End of what was found last: nothing reaches back over it. */
  let floor = 0;
  let aws = false;
  while (i < end) {
    const code = units[i] as number;
    let hit: Hit | undefined;
    let next = i + 1;
    if (isAlnum(code) || code === 95 || code === 45 || code === 46) {
      next = runEnd(units, i, end);
      hit = inRunAt(segment, i, next, firstDigit(units, i, next));
      if (hit?.detector === 'secret.aws_access_key') aws = true;
    } else {
      const after = code === 60 ? placeholderEnd(segment.text, i) : -1;
      if (after === -1) hit = markedAt(segment, i, code, floor);
      else {
        next = after;
        floor = after;
      }
    }
    if (hit !== undefined) {
      hits.push(hit);
      next = hit.end;
      floor = next;
    }
    i = nextTrigger(units, next, end);
  }
  return aws ? withAwsSecrets(segment, hits) : hits;
}

/** The first digit of a run, or −1. */
function firstDigit(units: Uint16Array, from: number, to: number): number {
  for (let i = from; i < to; i++) if (isDigit(units[i] as number)) return i;
  return -1;
}
