/**
 * Imports point the way that data flows, or into what lies under all folders. Prints each import that doesn't and
 * exits with 1.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What each folder may import from. `processors/scrub` is a leaf: the one engine of all three places. */
const ALLOWED: Record<string, string[]> = {
  core: [],
  schemas: ['core'],
  telemetry: ['core', 'schemas'],
  eventlog: ['core', 'schemas'],
  collectors: ['core', 'schemas', 'eventlog', 'processors/scrub'],
  processors: ['core', 'schemas', 'eventlog', 'telemetry'],
  store: ['core', 'schemas', 'eventlog', 'telemetry'],
  api: ['core', 'schemas', 'telemetry', 'store', 'collectors/ingest', 'eventlog'],
  cli: ['core', 'schemas', 'telemetry', 'eventlog', 'collectors', 'processors', 'store', 'api'],
};
/** Files outside `processors/scrub` that it may use (it runs beside other people's servers). */
const SCRUB = ['core', 'processors/scrub'];

function* sources(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* sources(path);
    else if (name.endsWith('.ts')) yield path;
  }
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"](\.[^'"]+)['"]|\bimport\(\s*['"](\.[^'"]+)['"]\s*\)/g;

const wrong: string[] = [];
for (const [folder, allowed] of Object.entries(ALLOWED)) {
  for (const file of sources(join(root, folder))) {
    const here = relative(root, file);
    const text = readFileSync(file, 'utf8');
    for (const match of text.matchAll(IMPORT)) {
      const to = relative(root, normalize(join(dirname(file), (match[1] ?? match[2]) as string)));
      const isStage = here === 'processors/scrub/stage.ts';
      const may = here.startsWith('processors/scrub/') && !isStage ? SCRUB : [...allowed, folder];
      if (!may.some((prefix) => to === prefix || to.startsWith(`${prefix}/`)))
        wrong.push(`${here}: imports ${to}`);
    }
  }
}
if (wrong.length > 0) {
  console.error(
    `${wrong.join('\n')}\nImports go ${Object.keys(ALLOWED).join(', ')} as scripts/check-imports.ts says.`,
  );
  process.exit(1);
}
