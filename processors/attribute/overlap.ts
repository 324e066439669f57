import { coversPattern, type Pattern } from './pattern.ts';
import { merged, RuleIndex } from './rule-index.ts';
import { type CompiledRule, TEXT_FIELDS } from './rules.ts';

export interface Overlap {
  readonly index: number;
  /** Index of the rule that comes first. */
  readonly by: number;
  readonly kind: 'same' | 'hidden';
}

/**
 * Rules that an earlier one leaves nothing to decide: it asks for the same at overlapping times (`same`), or fits all
 * that the later one fits, whenever that is valid (`hidden`). Either is a mistake in the file. Each rule is told once.
 */
export function overlaps(rules: readonly CompiledRule[]): Overlap[] {
  const masks = rules.map(maskOf);
  const found: Overlap[] = [];
  const filed = new RuleIndex(rules);
  for (const [index, later] of rules.entries()) {
    // A rule that covers this one is filed under a value that this one names, or under none.
    const candidates = filed.candidates(
      (field) => firstOf(later.fields.get(field)),
      (tag) => firstOf(later.tags.get(tag)),
    );
    for (const by of merged(candidates)) {
      if (by >= index) break;
      // What the earlier rule asks for and the later doesn't is a way around the earlier.
      if (((masks[by] as number) & ~(masks[index] as number)) !== 0) continue;
      const earlier = rules[by] as CompiledRule;
      if ((later.labels && !earlier.labels) || (later.model && !earlier.model)) continue;
      if (!covers(earlier, later)) continue;
      const overlap = earlier.fromMs < later.toMs && later.fromMs < earlier.toMs;
      const within = earlier.fromMs <= later.fromMs && later.toMs <= earlier.toMs;
      const same = overlap && masks[by] === masks[index] && covers(later, earlier);
      if (!same && !within) continue;
      found.push({ index, by, kind: same ? 'same' : 'hidden' });
      break;
    }
  }
  return found;
}

function firstOf(pattern: Pattern | undefined): string | undefined {
  return pattern?.exact.values().next().value;
}

/** A bit for each thing that a rule asks for. */
function maskOf(rule: CompiledRule): number {
  let mask = 0;
  for (const [bit, field] of TEXT_FIELDS.entries()) if (rule.fields.has(field)) mask |= 1 << bit;
  if (rule.tags.size > 0) mask |= 1 << 8;
  if (rule.sources !== null) mask |= 1 << 9;
  if (rule.verified !== null) mask |= 1 << 10;
  if (rule.ip !== null) mask |= 1 << 11;
  return mask;
}

/** Whether all that `narrow` fits, `wide` fits too, times aside. */
function covers(wide: CompiledRule, narrow: CompiledRule): boolean {
  if (wide.verified !== null && wide.verified !== narrow.verified) return false;
  if (wide.sources !== null && !isSubset(narrow.sources, wide.sources)) return false;
  if (wide.ip !== null && !isSubset(narrow.ip?.texts ?? null, wide.ip.texts)) return false;
  for (const [field, pattern] of wide.fields) {
    const other = narrow.fields.get(field);
    if (other === undefined || !coversPattern(pattern, other)) return false;
  }
  for (const [name, pattern] of wide.tags) {
    const other = narrow.tags.get(name);
    if (other === undefined || !coversPattern(pattern, other)) return false;
  }
  return true;
}

function isSubset<T>(narrow: ReadonlySet<T> | null, wide: ReadonlySet<T>): boolean {
  return narrow !== null && [...narrow].every((value) => wide.has(value));
}
