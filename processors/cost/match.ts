import type { Match } from './catalog/format.ts';

/**
 * How a clause fits a name: `exact` where the clause says the whole name, `family` where it says a part and the rest
 * is only a version, null where it doesn't fit.
 *
 * A price table's clause such as "starts with claude-sonnet-5" also fits a `claude-sonnet-5-5` that came later and
 * costs something else. So what the clause leaves open must be a date, a revision or a word like `preview`: another
 * model's price is never taken.
 */
export type Fit = 'exact' | 'family' | null;

/** Dates as providers write them, revisions (`-v1:0`, `-001`), and stages of a release. */
const VERSION_SUFFIX =
  /^(?:[-@:._]?(?:\d{4}-\d{2}-\d{2}|\d{2}-\d{2}-\d{4}|\d{2}-\d{4}|\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|0\d{1,2}|v\d+(?::\d+)?)|[-@:.](?:latest|preview|exp|experimental|beta|stable|default|\d+k)|:\d+)*$/;
/** Regions and vendors of Bedrock and Vertex names, and the path before a name: `us.anthropic.`, `anthropic/`. */
const VENDOR_PREFIX =
  /^(?:(?:us|eu|apac|ap|au|jp|ca|sa|in|me|global|regional)\.)?(?:[a-z0-9]+[./])?(?:models\/)?$/;
/** A fine-tuned model's name goes on with its owner's names, which say nothing of the price. */
const FINE_TUNED = /^ft:|\.ft-/;

/** `name` in lower case. */
export function fitOf(match: Match, name: string): Fit {
  if ('equals' in match) return name === match.equals.toLowerCase() ? 'exact' : null;
  if ('regex' in match) return compiled(match.regex).test(name) ? 'exact' : null;
  if ('or' in match) {
    let best: Fit = null;
    for (const choice of match.or) {
      const fit = fitOf(choice, name);
      if (fit === 'exact') return fit;
      best ??= fit;
    }
    return best;
  }
  if ('and' in match) {
    let worst: Fit = 'exact';
    for (const part of match.and) {
      const fit = fitOf(part, name);
      if (fit === null) return null;
      if (fit === 'family') worst = fit;
    }
    return worst;
  }
  if ('starts_with' in match) {
    const part = match.starts_with.toLowerCase();
    return name.startsWith(part) ? fitOfRest('', part, name.slice(part.length)) : null;
  }
  if ('ends_with' in match) {
    const part = match.ends_with.toLowerCase();
    return name.endsWith(part) ? fitOfRest(name.slice(0, name.length - part.length), part, '') : null;
  }
  const part = match.contains.toLowerCase();
  const at = name.indexOf(part);
  return at < 0 ? null : fitOfRest(name.slice(0, at), part, name.slice(at + part.length));
}

function fitOfRest(before: string, part: string, after: string): Fit {
  if (before === '' && after === '') return 'exact';
  if (!VENDOR_PREFIX.test(before)) return null;
  // A clause may end inside the version: "claude-sonnet-4@" leaves the date alone.
  const separator = /[-@.:]$/.exec(part)?.[0] ?? '';
  return VERSION_SUFFIX.test(separator + after) || VERSION_SUFFIX.test(after) || FINE_TUNED.test(part)
    ? 'family'
    : null;
}

/** Whether a provider calls this name its own. */
export function belongs(match: Match, name: string): boolean {
  if ('equals' in match) return name === match.equals.toLowerCase();
  if ('regex' in match) return compiled(match.regex).test(name);
  if ('or' in match) return match.or.some((choice) => belongs(choice, name));
  if ('and' in match) return match.and.every((part) => belongs(part, name));
  if ('starts_with' in match) return name.startsWith(match.starts_with.toLowerCase());
  if ('ends_with' in match) return name.endsWith(match.ends_with.toLowerCase());
  return name.includes(match.contains.toLowerCase());
}

const patterns = new Map<string, RegExp>();

/** The patterns are the catalogue's own, few, and run on names of bounded length. */
function compiled(source: string): RegExp {
  let pattern = patterns.get(source);
  if (pattern === undefined) {
    pattern = new RegExp(source);
    patterns.set(source, pattern);
  }
  return pattern;
}
