import { inRunAt, markedAt, withAwsSecrets } from './anchors.ts';
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
  let i = nextTrigger(text, from, to);
  if (i === to) return NONE;
  // The trigger stays on the whole text: reading characters of a slice costs V8 three times as much.
  const segment = new Segment(text.slice(from, to), key);
  const hits: Hit[] = [];
  /** End of what was found last: nothing reaches back over it. */
  let floor = from;
  let aws = false;
  while (i < to) {
    const code = text.charCodeAt(i);
    let hit: Hit | undefined;
    let next = i + 1;
    if (isAlnum(code) || code === 95 || code === 45 || code === 46) {
      next = runEnd(text, i, to);
      const digit = firstDigit(text, i, next);
      hit = inRunAt(segment, i - from, next - from, digit === -1 ? -1 : digit - from);
      if (hit?.detector === 'secret.aws_access_key') aws = true;
    } else {
      const after = code === 60 ? placeholderEnd(text, i) : -1;
      if (after === -1 || after > to) hit = markedAt(segment, i - from, code, floor - from);
      else {
        next = after;
        floor = after;
      }
    }
    if (hit !== undefined) {
      hits.push(hit);
      next = from + hit.end;
      floor = next;
    }
    i = nextTrigger(text, next, to);
  }
  return aws ? withAwsSecrets(segment, hits) : hits;
}

/** The first digit of a run, or −1. */
function firstDigit(text: string, from: number, to: number): number {
  for (let i = from; i < to; i++) if (isDigit(text.charCodeAt(i))) return i;
  return -1;
}
