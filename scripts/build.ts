/** `npm run build`: compiles to `dist/` and copies what is not TypeScript beside it. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = [
  'schemas',
  'core',
  'collectors',
  'eventlog',
  'processors',
  'store',
  'api',
  'cli',
  'telemetry',
];
const DATA = new Set(['.sql', '.json', '.ndjson', '.txt']);

rmSync(join(root, 'dist'), { recursive: true, force: true });
const { status } = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

function copyData(folder: string): void {
  for (const name of readdirSync(join(root, folder))) {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory()) {
      if (name !== 'sources') copyData(path);
    } else if (DATA.has(extname(name))) cpSync(join(root, path), join(root, 'dist', path));
  }
}
for (const folder of FOLDERS) copyData(folder);
