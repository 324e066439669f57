import type { z } from 'zod';
import { fold } from '../core/fold.ts';

/** Of a record: keys that are one name where names are compared (`core/fold.ts`) are a mistake, told at the later one. */
export function distinctNames(
  record: Readonly<Record<string, unknown>>,
  context: z.core.$RefinementCtx,
): void {
  const seen = new Set<string>();
  for (const name of Object.keys(record)) {
    const key = fold(name);
    if (seen.has(key))
      context.addIssue({
        code: 'custom',
        path: [name],
        message: 'is the same name as another: they differ only in case, width or spaces',
      });
    seen.add(key);
  }
}
