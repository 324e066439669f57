import { readFileSync } from 'node:fs';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import { fold } from '../../core/fold.ts';
import type { Log } from '../../core/log.ts';
import { type DetectRule, type DetectRules, DetectRulesSchema } from '../../schemas/detect.ts';
import {
  formatPath,
  parseYamlFile,
  type YamlPath,
  type YamlPlace,
  type YamlProblem,
  yamlError,
} from '../../schemas/yaml.ts';
import { openReloaded, type Reloaded } from '../reload.ts';

/** What is watched without a rules file: one rule of each kind with its defaults, named as its kind. */
export const DEFAULT_RULES: DetectRules = DetectRulesSchema.parse({
  rules: ['rate_limit_abuse', 'runaway_loop', 'error_rate', 'latency', 'spend_spike', 'first_seen'].map(
    (kind) => ({
      id: kind.replaceAll('_', '-'),
      kind,
    }),
  ),
});

export type DetectRulesResult =
  | { readonly ok: true; readonly rules: DetectRules }
  | { readonly ok: false; readonly problems: readonly YamlProblem[] };

/** Reads a rules file. Ids that are used twice, and settings of a rule that contradict each other, are problems. */
export function readDetectRules(source: string | Uint8Array, fileName: string): DetectRulesResult {
  const parsed = parseYamlFile(source, DetectRulesSchema, fileName);
  if (!parsed.ok) return parsed;
  const problems = contradictions(parsed.value, parsed.locate);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, rules: parsed.value };
}

function contradictions(
  { rules, allowed_lateness_s }: DetectRules,
  locate: (path: YamlPath) => YamlPlace,
): YamlProblem[] {
  const problems: YamlProblem[] = [];
  const ids = new Map<string, number>();
  const bodies = new Map<string, number>();
  for (const [index, rule] of rules.entries()) {
    const tell = (field: string, message: string): void => {
      const path = ['rules', index, field];
      problems.push({ ...locate(path), path: formatPath(path), message });
    };
    const first = ids.get(fold(rule.id));
    if (first !== undefined) tell('id', `is the id of the rule in line ${locate(['rules', first]).line} too`);
    else ids.set(fold(rule.id), index);
    const { id: _, severity: __, ...body } = rule;
    const same = bodies.get(JSON.stringify(body));
    if (same !== undefined && rule.enabled)
      tell('kind', `watches for the same as the rule in line ${locate(['rules', same]).line}`);
    else bodies.set(JSON.stringify(body), index);
    for (const [field, message] of within(rule, allowed_lateness_s)) tell(field, message);
  }
  return problems.sort((a, b) => a.line - b.line).slice(0, 50);
}

/** Settings of one rule that can't both hold: the field to change, and why. */
function within(rule: DetectRule, latenessS: number): [field: string, message: string][] {
  const found: [string, string][] = [];
  if ('min_windows' in rule && rule.min_windows > rule.baseline_windows)
    found.push(['min_windows', 'is more than baseline_windows: no baseline would ever be complete']);
  if ('resolve_z' in rule && rule.resolve_z > rule.fire_z)
    found.push(['resolve_z', 'is above fire_z: an alert would resolve while it fires']);
  if ('window_s' in rule && rule.episode_s < rule.window_s)
    found.push(['episode_s', 'is less than window_s: one window would be several alerts']);
  if (rule.kind === 'spend_spike' && rule.window_s < latenessS)
    found.push(['window_s', 'is less than allowed_lateness_s: the windows before would still change']);
  if (rule.kind === 'first_seen' && rule.learn_s >= rule.episode_s)
    found.push(['learn_s', 'is not less than episode_s, which is how far back a restart reads']);
  return found;
}

/** @throws ToolmeterError TM_DETECT_RULES with every problem of the file and its line. */
export function loadDetectRules(file: string): DetectRules {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new ToolmeterError(
      'TM_DETECT_RULES',
      `${file}: ${messageOf(error)}`,
      'Check the path of the rules file.',
      {
        cause: error,
      },
    );
  }
  const result = readDetectRules(bytes, file);
  if (!result.ok)
    throw yamlError('TM_DETECT_RULES', file, result.problems, 'See docs/detection.md for the format.');
  return result.rules;
}

/**
 * The rules, following their file; without a file the defaults. While the file is bad, the last good rules stay in use,
 * an error is logged and `status` is not ok. A file that is bad at the start throws.
 */
export function openDetectRules(
  file: string | undefined,
  options: { readonly log: Log; readonly debounceMs?: number; readonly pollMs?: number },
): Reloaded<DetectRules> {
  const files = file === undefined ? [] : [file];
  return openReloaded(files, () => (file === undefined ? DEFAULT_RULES : loadDetectRules(file)), {
    ...options,
    name: 'detection rules',
  });
}
