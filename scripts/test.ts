/**
 * `npm test`: format and lint, direction of imports, generated files, types, both packages, then every test. Prints a closing line
 * `N passed, N failed, N skipped`, in which each check counts as one, and exits with 1 where anything failed.
 * Arguments go to vitest: `npm test -- test/store`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
const only = process.argv.slice(2);

let passed = 0;
let failed = 0;
let skipped = 0;

function run(title: string, command: string, args: string[]): boolean {
  console.log(`\n== ${title}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  return status === 0;
}

if (only.length === 0) {
  const checks: [string, string, string[]][] = [
    ['format and lint', bin('biome'), ['check', '.']],
    ['direction of imports', process.execPath, ['scripts/check-imports.ts']],
    ['generated files', process.execPath, ['scripts/generate.ts', '--check']],
    ['types', bin('tsc'), ['-p', '.']],
    ['build', process.execPath, ['scripts/build.ts']],
    ['the built command', process.execPath, ['dist/cli/main.js', '--version']],
    [
      'toolmeter-sdk, packed, installed alone and used',
      process.execPath,
      ['scripts/build-sdk.ts', '--check'],
    ],
  ];
  for (const [title, command, args] of checks) run(title, command, args) ? passed++ : failed++;
}

const scratch = mkdtempSync(join(tmpdir(), 'toolmeter-test-'));
const report = join(scratch, 'report.json');
const ok = run('tests', bin('vitest'), [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...only,
]);
try {
  const result = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>;
  passed += result.numPassedTests ?? 0;
  failed += result.numFailedTests ?? 0;
  skipped += (result.numPendingTests ?? 0) + (result.numTodoTests ?? 0);
  if (!ok && (result.numFailedTests ?? 0) === 0) failed += Math.max(1, result.numFailedTestSuites ?? 0);
} catch {
  failed++;
  console.error('The test run left no report.');
}
rmSync(scratch, { recursive: true, force: true });

console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed === 0 ? 0 : 1);
