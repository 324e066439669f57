import { fold } from '../../core/fold.ts';
import { compilePattern, coversPattern, type Pattern } from '../../core/pattern.ts';
import { merged, RuleIndex } from './rule-index.ts';
import { type CompiledRule, TEXT_FIELDS } from './rules.ts';

export interface Overlap {
  readonly index: number;
  /** Index of the rule that comes first. */
  readonly by: number;
  readonly kind: 'same' | 'hidden';
  /** Where only one item of a list is: its path in the rule. */
  readonly item?: readonly (string | number)[];
}

/**
 * Rules that an earlier one leaves nothing to decide: it asks for the same at overlapping times (`same`), or fits all
 * that the later one fits, whenever that is valid (`hidden`). Either is a mistake in the file, and so it is where it is
 * true of one item of a rule's list: a key that two rules name. Each rule, or else each item, is told once.
 */
export function overlaps(rules: readonly CompiledRule[]): Overlap[] {
  const masks = rules.map(maskOf);
  const filed = new RuleIndex(rules);

  /** The first earlier rule that leaves `later` nothing. */
  const taker = (later: CompiledRule): Omit<Overlap, 'item'> | null => {
    const { index } = later;
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
      const same = overlap && masks[by] === masks[index] && covers(later, narrowedTo(later, earlier));
      if (same || within) return { index, by, kind: same ? 'same' : 'hidden' };
    }
    return null;
  };

  return rules.flatMap((rule): Overlap[] => {
    const whole = taker(rule);
    if (whole !== null) return [whole];
    return itemsOf(rule).flatMap(({ item, alone }) => {
      const part = taker(alone);
      return part === null ? [] : [{ ...part, item }];
    });
  });
}

/** The rule once for each item of each of its lists, with that item alone. */
function itemsOf(rule: CompiledRule): { item: readonly (string | number)[]; alone: CompiledRule }[] {
  if (rule.rule.when === 'any') return [];
  const { tags = {}, ...when } = rule.rule.when;
  const items: { item: readonly (string | number)[]; alone: CompiledRule }[] = [];
  for (const field of TEXT_FIELDS) {
    const key = field === 'caller' ? CALLER_KEYS.find((name) => when[name] !== undefined) : field;
    const source = key === undefined ? undefined : when[key];
    if (key === undefined || !Array.isArray(source) || source.length < 2) continue;
    for (const [i, text] of source.entries())
      items.push({
        item: ['when', key, i],
        alone: { ...rule, fields: new Map(rule.fields).set(field, compilePattern(text)) },
      });
  }
  for (const [name, source] of Object.entries(tags)) {
    if (!Array.isArray(source) || source.length < 2) continue;
    for (const [i, text] of source.entries())
      items.push({
        item: ['when', 'tags', name, i],
        alone: { ...rule, tags: new Map(rule.tags).set(fold(name), compilePattern(text)) },
      });
  }
  return items;
}

const CALLER_KEYS = ['caller', 'api_key', 'os_user'] as const;

/** `wide` without what its lists name beside what `narrow` names, where that is one of them. */
function narrowedTo(narrow: CompiledRule, wide: CompiledRule): CompiledRule {
  const cut = <K>(patterns: ReadonlyMap<K, Pattern>, by: ReadonlyMap<K, Pattern>): Map<K, Pattern> =>
    new Map(
      [...patterns].map(([key, pattern]) => {
        const other = by.get(key);
        const one = other !== undefined && other.globs.length === 0 && other.exact.size === 1;
        return [key, one && pattern.exact.has(firstOf(other) as string) ? other : pattern];
      }),
    );
  return { ...wide, fields: cut(wide.fields, narrow.fields), tags: cut(wide.tags, narrow.tags) };
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
