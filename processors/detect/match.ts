import { fold } from '../../core/fold.ts';
import { compilePattern, fits } from '../../core/pattern.ts';
import type { DetectMatch } from '../../schemas/detect.ts';
import type { DetectedCall } from './observation.ts';

/** Whether a rule looks at a call. */
export function compileMatch(match: DetectMatch | undefined): (row: DetectedCall) => boolean {
  if (match === undefined) return () => true;
  const fields = (['team', 'server', 'tool', 'caller'] as const).flatMap((field) => {
    const source = match[field];
    return source === undefined ? [] : [{ field, pattern: compilePattern(source) }];
  });
  return (row) => fields.every(({ field, pattern }) => row[field] !== '' && fits(pattern, fold(row[field])));
}
