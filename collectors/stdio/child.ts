import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { constants, platform } from 'node:os';
import { messageOf } from '../../core/errors.ts';

const isWindows = platform() === 'win32';

/** A child that could not be started: what to say, and the exit code that shells give (POSIX sh: 127, 126). */
export interface NotStarted {
  readonly sentence: string;
  readonly exitCode: number;
}

/**
 * Starts a command with its arguments exactly as given. On POSIX it leads a process group (and session) of its own,
 * so that all that it starts can be ended with it; on Windows cross-spawn finds `npx.cmd` and quotes for it.
 */
export async function startChild(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stdio: SpawnOptions['stdio'],
): Promise<ChildProcess | NotStarted> {
  const options: SpawnOptions = { env, stdio, detached: !isWindows, windowsHide: true };
  let child: ChildProcess;
  try {
    const spawn = isWindows
      ? (await import('cross-spawn')).default.spawn
      : (await import('node:child_process')).spawn;
    child = spawn(command, [...args], options);
  } catch (error) {
    return notStarted(command, error as NodeJS.ErrnoException);
  }
  if (child.pid !== undefined && !isWindows) return child;
  return new Promise((resolve) => {
    child.once('spawn', () => resolve(child));
    child.once('error', (error: NodeJS.ErrnoException) => resolve(notStarted(command, error)));
  });
}

function notStarted(command: string, error: NodeJS.ErrnoException): NotStarted {
  if (error.code === 'ENOENT') {
    return {
      sentence: `"${command}" can't be started: there is no such command, or its interpreter is missing (ENOENT).`,
      exitCode: 127,
    };
  }
  if (error.code === 'EACCES') {
    return { sentence: `"${command}" can't be started: it may not be executed (EACCES).`, exitCode: 126 };
  }
  return { sentence: `"${command}" can't be started: ${messageOf(error)}.`, exitCode: 126 };
}

/** A child's end as shells tell it: its own code, or 128 + the number of the signal that killed it. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  if (code !== null) return code;
  return 128 + (signal === null ? 0 : (constants.signals[signal] ?? 0));
}

/**
 * A child's standard error goes where ours goes; only where ours is a pipe, which its reader may leave unread, do we
 * stand between.
 */
export function stderrMode(): 'pipe' | 'inherit' {
  try {
    const stat = fstatSync(2);
    return stat.isFIFO() || stat.isSocket() ? 'pipe' : 'inherit';
  } catch {
    // Standard error is closed: there is nothing to share.
    return 'pipe';
  }
}

/** Signals that are passed on. A terminal sends the first three to a whole foreground group. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGHUP'];
const PASSED_ON: readonly NodeJS.Signals[] = isWindows
  ? ['SIGINT', 'SIGBREAK', 'SIGHUP']
  : [...FROM_TERMINAL, 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'];

/**
 * Passes the signals that we get on to the child; those that a terminal would send to every process in front go to
 * its whole group. Signals before `to()` wait for it. On Windows the console tells every process itself, and this
 * one only stays alive until the child has ended. `release()` gives the signals their usual effect back.
 */
export function passSignals(): { to(child: ChildProcess): void; release(): void } {
  let child: ChildProcess | null = null;
  const early: NodeJS.Signals[] = [];
  const handlers = PASSED_ON.map((signal) => {
    const handler = (): void => {
      if (child === null) early.push(signal);
      else send(child, signal);
    };
    process.on(signal, handler);
    return { signal, handler };
  });
  return {
    to(started) {
      child = started;
      for (const signal of early.splice(0)) send(started, signal);
    },
    release() {
      for (const { signal, handler } of handlers) process.off(signal, handler);
    },
  };
}

function send(child: ChildProcess, signal: NodeJS.Signals): void {
  if (isWindows || child.pid === undefined) return;
  try {
    process.kill(FROM_TERMINAL.includes(signal) ? -child.pid : child.pid, signal);
  } catch (error) {
    // It has just ended; that is all that a signal could ask for.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
