import { fold } from '../../core/fold.ts';
import { compilePattern, fits, type Pattern } from '../../core/pattern.ts';
import type { GatewayRule } from '../../schemas/gateway.ts';

/** What is asked for: by whom, where, and which tool if it is a tools/call. */
export interface Subject {
  readonly caller: string;
  readonly team: string | null;
  readonly server: string;
  readonly tool: string | null;
}

const FIELDS = ['caller', 'team', 'server', 'tool'] as const;
type Field = (typeof FIELDS)[number];

/** Patterns of what a rule or a bucket names; all must fit. */
export type Selector = readonly (readonly [Field, Pattern])[];

export function compileSelector(from: { readonly [F in Field]?: string | string[] | undefined }): Selector {
  return FIELDS.flatMap((field) => {
    const source = from[field];
    return source === undefined ? [] : [[field, compilePattern(source)] as const];
  });
}

/** A field that the subject does not have fits no pattern, `*` neither. */
export function selects(selector: Selector, subject: Subject): boolean {
  for (const [field, pattern] of selector) {
    const value = subject[field];
    if (value === null || !fits(pattern, fold(value))) return false;
  }
  return true;
}

export interface CompiledRule {
  readonly id: string;
  readonly effect: 'allow' | 'deny';
  readonly selector: Selector;
}

export function compileRules(rules: readonly GatewayRule[]): CompiledRule[] {
  return rules.map((rule) => ({ id: rule.id, effect: rule.effect, selector: compileSelector(rule) }));
}

export interface Decision {
  readonly effect: 'allow' | 'deny';
  /** The rule that decided; null: none fitted. */
  readonly rule: string | null;
}

/** The first rule that fits decides; where none does, `otherwise`. */
export function decide(
  rules: readonly CompiledRule[],
  otherwise: 'allow' | 'deny',
  subject: Subject,
): Decision {
  const rule = rules.find(({ selector }) => selects(selector, subject));
  return rule === undefined ? { effect: otherwise, rule: null } : { effect: rule.effect, rule: rule.id };
}
