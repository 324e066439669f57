import type { Sqlite } from './sqlite-store.ts';

/**
 * `node:sqlite` where this Node has it (22.13 and later), else null. Loaded by name, so that nothing but this call
 * fails where it is missing; its notice that it is new is not for the people whose process this is.
 */
export function loadSqlite(): Sqlite | null {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (!String(warning).includes('SQLite')) Reflect.apply(emit, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
  try {
    return (process.getBuiltinModule?.('node:sqlite') as Sqlite | undefined) ?? null;
  } catch {
    // Nodes of before 22.13 know the name behind a flag only.
    return null;
  } finally {
    process.emitWarning = emit;
  }
}
