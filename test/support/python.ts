/**
 * Python servers for tests: virtual environments of our own in `.cache/`, made once.
 * `node test/support/python.ts` makes them and prints their interpreters.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** Exact, so that a run next year compares the same servers. Version 1 of `mcp` has FastMCP, version 2 MCPServer. */
const ENVIRONMENTS = {
  'mcp-1': ['mcp==1.30.0'],
  clickhouse: ['clickhouse-connect==1.12.0', 'lz4==4.4.5'],
  'mcp-2': ['mcp==2.3.0', 'mcp-server-time==2026.10.19'],
} as const;
export type PythonEnvironment = keyof typeof ENVIRONMENTS;

const CACHE = resolve('.cache');

/** The interpreter that has the packages, or the reason why there is none. */
export type Python = { interpreter: string } | { missing: string };

export async function findPython(environment: PythonEnvironment): Promise<Python> {
  const packages = ENVIRONMENTS[environment];
  const folder = join(CACHE, `python-${packages.join('-').replaceAll('==', '-')}`);
  const interpreter = interpreterIn(folder);
  if (existsSync(interpreter)) return { interpreter };
  let base: string | undefined;
  for (const name of ['python3', 'python']) {
    if (base === undefined && (await run(name, ['-c', 'import venv, ensurepip'])) === null) base = name;
  }
  if (base === undefined) return { missing: 'no Python 3 with venv and ensurepip is on the path' };
  mkdirSync(CACHE, { recursive: true });
  // Made beside its place and moved last: half an environment is never taken for a whole one.
  const draft = `${folder}.${process.pid}`;
  try {
    const failure =
      (await run(base, ['-m', 'venv', draft])) ??
      (await run(interpreterIn(draft), ['-m', 'pip', 'install', '--quiet', '--no-input', ...packages]));
    if (failure !== null) return { missing: failure };
    if (!existsSync(folder)) renameSync(draft, folder);
    return { interpreter };
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function interpreterIn(folder: string): string {
  return process.platform === 'win32'
    ? join(folder, 'Scripts', 'python.exe')
    : join(folder, 'bin', 'python3');
}

/** Null where it went well, else what was said. */
async function run(command: string, args: string[]): Promise<string | null> {
  try {
    await promisify(execFile)(command, args, { timeout: 300_000 });
    return null;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    return `${command} ${args.join(' ')}: ${stderr?.trim().split('\n').at(-1) || message}`;
  }
}

if (import.meta.main) {
  for (const environment of Object.keys(ENVIRONMENTS) as PythonEnvironment[]) {
    const found = await findPython(environment);
    if ('missing' in found) throw new Error(found.missing);
    console.log(found.interpreter);
  }
}
