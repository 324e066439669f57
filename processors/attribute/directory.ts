import { createHash } from 'node:crypto';
import { fold } from '../../core/fold.ts';
import { type DirectoryFile, DirectorySchema } from '../../schemas/directory.ts';
import {
  formatPath,
  parseYamlFile,
  type YamlPath,
  type YamlPlace,
  type YamlProblem,
} from '../../schemas/yaml.ts';
import { overlaps } from './overlap.ts';
import { merged, RuleIndex } from './rule-index.ts';
import { type CompiledRule, compileRule, FoldedSubject, fitsRule, type Subject } from './rules.ts';

export interface Attribution {
  readonly team: string;
  readonly cost_center: string;
  readonly project: string;
  readonly environment: string;
  /** `''` where no rule gives one. */
  readonly model: string;
  /** Ids of the rules that decided labels and model; `''` where none did. */
  readonly labelsRule: string;
  readonly modelRule: string;
}

/** The team directory, compiled. */
export interface Directory {
  readonly version: string;
  readonly size: number;
  attribute(subject: Subject, atMs: number): Attribution;
}

const NOBODY: Attribution = {
  team: '',
  cost_center: '',
  project: '',
  environment: '',
  model: '',
  labelsRule: '',
  modelRule: '',
};

export const EMPTY_DIRECTORY: Directory = { version: 'none', size: 0, attribute: () => NOBODY };

export type DirectoryResult =
  | { readonly ok: true; readonly directory: Directory }
  | { readonly ok: false; readonly problems: readonly YamlProblem[] };

/** Reads a directory file. Rules of one id, and rules that an earlier one hides, are problems. */
export function readDirectory(source: string | Uint8Array, fileName: string): DirectoryResult {
  const parsed = parseYamlFile(source, DirectorySchema, fileName);
  if (!parsed.ok) return parsed;
  const rules = parsed.value.rules.map(compileRule);
  const problems = conflicts(parsed.value, rules, parsed.locate);
  if (problems.length > 0) return { ok: false, problems };
  const version = createHash('sha256').update(source).digest('hex').slice(0, 12);
  return { ok: true, directory: compileDirectory(rules, version) };
}

/** Problems listed of one file. */
const MAX_PROBLEMS = 50;

function conflicts(
  { rules }: DirectoryFile,
  compiled: readonly CompiledRule[],
  locate: (path: YamlPath) => YamlPlace,
): YamlProblem[] {
  const problems: YamlProblem[] = [];
  const tell = (path: YamlPath, message: string): void => {
    if (problems.length < MAX_PROBLEMS) problems.push({ ...locate(path), path: formatPath(path), message });
  };
  const lineOf = (index: number): number => locate(['rules', index]).line;
  const ids = new Map<string, number>();
  for (const [index, { id }] of rules.entries()) {
    const first = ids.get(fold(id));
    if (first !== undefined)
      tell(['rules', index, 'id'], `is the id of the rule in line ${lineOf(first)} too`);
    else ids.set(fold(id), index);
  }
  for (const { index, fromMs, toMs } of compiled)
    if (fromMs >= toMs) tell(['rules', index], 'ends before it begins: valid_to must be after valid_from');
  for (const { index, by, kind, item = [] } of overlaps(compiled)) {
    const first = `rule "${rules[by]?.id}" in line ${lineOf(by)}`;
    tell(
      ['rules', index, ...item],
      kind === 'same'
        ? `asks for the same as ${first}, at the same time`
        : `decides nothing: ${first} comes first and fits all that this ${item.length === 0 ? 'one' : 'item'} does`,
    );
  }
  return problems.sort((a, b) => a.line - b.line);
}

function compileDirectory(rules: readonly CompiledRule[], version: string): Directory {
  const index = new RuleIndex(rules);
  return {
    version,
    size: rules.length,
    attribute(subject, atMs) {
      const folded = new FoldedSubject(subject);
      const lists = index.candidates(
        (field) => folded.field(field),
        (name) => folded.tags.get(name),
      );
      if (lists.length === 0) return NOBODY;
      let labels: CompiledRule | null = null;
      let model: CompiledRule | null = null;
      for (const number of merged(lists)) {
        const rule = rules[number] as CompiledRule;
        const wanted = (rule.labels && labels === null) || (rule.model && model === null);
        if (!wanted || atMs < rule.fromMs || atMs >= rule.toMs || !fitsRule(rule, folded)) continue;
        if (rule.labels) labels ??= rule;
        if (rule.model) model ??= rule;
        if (labels !== null && model !== null) break;
      }
      if (labels === null && model === null) return NOBODY;
      return {
        team: labels?.rule.team ?? '',
        cost_center: labels?.rule.cost_center ?? '',
        project: labels?.rule.project ?? '',
        environment: labels?.rule.environment ?? '',
        model: model?.rule.model ?? '',
        labelsRule: labels?.rule.id ?? '',
        modelRule: model?.rule.id ?? '',
      };
    },
  };
}
