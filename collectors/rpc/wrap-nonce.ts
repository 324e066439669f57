import { readFileSync, readlinkSync } from 'node:fs';

/**
 * By this variable a wrapper tells the server under it its nonce, `<nonce>.<the wrapper's pid, base 36>`: both then
 * derive the same call ids. A wrapper inside a wrapper passes the outer one's nonce on, with its own pid.
 */
export const WRAP_NONCE_VARIABLE = 'TOOLMETER_WRAP_NONCE';

export function wrapVariable(nonce: string, pid = process.pid): string {
  return `${nonce}.${pid.toString(36)}`;
}

/**
 * The nonce of the wrapper whose connection this process's standard input is, or undefined where there is none. A
 * process that a wrapped server starts for itself may inherit the variable, and is not on that connection: its calls
 * are others, and would count nowhere.
 */
export function enclosingNonce(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  const [nonce, pid] = value.split('.', 2);
  if (nonce === '' || (pid !== undefined && isElsewhere(Number.parseInt(pid, 36)))) return undefined;
  return nonce;
}

/**
 * Whether it is certain that our standard input is not what a wrapper gave to its child. Launchers (`npx`, `sh -c`)
 * pass theirs on, so it is the same file under every process in between. Linux only, by /proc (proc(5)); where that
 * tells nothing, the variable is believed.
 */
function isElsewhere(wrapper: number): boolean {
  if (process.platform !== 'linux' || !(wrapper > 0)) return false;
  try {
    for (let pid = process.pid; pid > 1; ) {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (parent === wrapper) return readlinkSync('/proc/self/fd/0') !== readlinkSync(`/proc/${pid}/fd/0`);
      pid = parent;
    }
  } catch {
    // A process that has gone, or that may not be looked at.
  }
  return false;
}
