import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const WRAP = resolve('cli/wrap.ts');

/** A folder for one test file: a Toolmeter home, and scripts that play servers. */
export function scratch(): { path: string; home: string; script(source: string): string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'toolmeter-wrap-'));
  let count = 0;
  return {
    path,
    home: join(path, 'home'),
    script(source) {
      const file = join(path, `server-${++count}.mjs`);
      writeFileSync(file, source);
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}

export interface Running {
  readonly process: ChildProcess;
  /** All of standard output so far. */
  out(): Buffer;
  err(): string;
  /** Resolves when `test` holds of standard output or standard error. */
  until(test: (out: string, err: string) => boolean, timeoutMs?: number): Promise<void>;
  /** Exit code, or the signal's name. */
  readonly exit: Promise<number | string>;
}

/** Starts a process and gathers its output. */
export function start(command: string, args: string[], options: SpawnOptions = {}): Running {
  const child = spawn(command, args, { stdio: 'pipe', ...options });
  const chunks: Buffer[] = [];
  let err = '';
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  child.stdin?.on('error', () => {});
  const exit = new Promise<number | string>((done) => {
    child.once('close', (code, signal) => done(code ?? signal ?? 'unknown'));
  });
  return {
    process: child,
    out: () => Buffer.concat(chunks),
    err: () => err,
    exit,
    async until(test, timeoutMs = 15_000) {
      const deadline = Date.now() + timeoutMs;
      while (!test(Buffer.concat(chunks).toString(), err)) {
        if (Date.now() > deadline) {
          throw new Error(`not seen in ${timeoutMs} ms; stdout: ${Buffer.concat(chunks)}; stderr: ${err}`);
        }
        await new Promise((next) => setTimeout(next, 10));
      }
    },
  };
}

/** Whether a process runs; a zombie doesn't. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = spawnSyncText('ps', ['-o', 'stat=', '-p', String(pid)]);
  return stat !== '' && !stat.startsWith('Z');
}

function spawnSyncText(command: string, args: string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout.trim();
}

/** Resolves when the process has ended, or throws. */
export async function gone(pid: number, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (isRunning(pid)) {
    if (Date.now() > deadline) throw new Error(`process ${pid} still runs after ${timeoutMs} ms`);
    await new Promise((next) => setTimeout(next, 25));
  }
}
