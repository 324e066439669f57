import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { sleep } from '../../core/retry.ts';

const isWindows = platform() === 'win32';

/** Milliseconds between a request to end and the end by force. */
export const TERM_GRACE_MS = 2_000;
const POLL_MS = 20;

/** Whether any process of the group that `pid` leads is left. POSIX only: Windows has no groups, and says no. */
export function groupAlive(pid: number): boolean {
  return !isWindows && signalGroup(pid, 0) && (liveMember(pid) ?? true);
}

/**
 * Linux: whether the group has a member that isn't a zombie: in a container whose first process never reaps, the
 * dead stay. Fields of /proc/PID/stat as in proc(5). Undefined where /proc doesn't tell.
 */
function liveMember(group: number): boolean | undefined {
  if (platform() !== 'linux') return undefined;
  try {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const stat = statOf(name);
      const [state, , groupId] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(groupId) === group && state !== 'Z' && state !== 'X') return true;
    }
    return false;
  } catch {
    return undefined;
  }
}

/** Empty where the process has gone since it was listed. */
function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}

/** Sends a signal to the group that `pid` leads; false where nobody is left to take it. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    // ESRCH: no such group; EPERM: macOS says so of a group of zombies.
    return false;
  }
}

/**
 * Ends a process and all that it started: SIGTERM, and SIGKILL for those still there after `graceMs`. On POSIX the
 * tree is the process group that `pid` leads; on Windows it is what `taskkill /T` finds, ended at once: there is no
 * request to end that a console program would hear.
 */
export async function endTree(pid: number, graceMs = TERM_GRACE_MS): Promise<void> {
  if (isWindows) return taskkill(pid);
  if (!signalGroup(pid, 'SIGTERM')) return;
  const deadline = performance.now() + graceMs;
  while (performance.now() < deadline) {
    await sleep(POLL_MS);
    if (!groupAlive(pid)) return;
  }
  signalGroup(pid, 'SIGKILL');
}

function taskkill(pid: number): Promise<void> {
  return new Promise((resolve) => {
    const killer = spawn('taskkill', ['/pid', String(pid), '/T', '/F'], {
      stdio: 'ignore',
      windowsHide: true,
    });
    killer.once('error', () => resolve());
    killer.once('exit', () => resolve());
  });
}

/**
 * `read` returns when its standard input ends: with a line, the wrapper has ended in order; without, it was killed.
 * The child then gets the same time that a client gives to see its own standard input closed.
 */
const GUARD = `read -r _ || { sleep 2; kill -s TERM -- "-$1" && sleep 2 && kill -s KILL -- "-$1"; }`;

/**
 * A shell of its own session that ends the group when this process dies without a chance to do so itself (SIGKILL,
 * out of memory). POSIX only; where there is no /bin/sh the child is left to its closed standard input.
 * Call the result when the tree has ended in order.
 */
export function guardTree(pid: number): () => void {
  if (isWindows) return () => {};
  const guard: ChildProcess = spawn('/bin/sh', ['-c', GUARD, 'toolmeter-guard', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
  });
  guard.on('error', () => {});
  guard.stdin?.on('error', () => {});
  guard.unref();
  (guard.stdin as unknown as { unref?(): void } | null)?.unref?.();
  return () => guard.stdin?.end('\n');
}
