import type { ChildProcess } from 'node:child_process';
import { isDisabled } from '../../core/disabled.ts';
import { sleep } from '../../core/retry.ts';
import { enclosingNonce, WRAP_NONCE_VARIABLE, wrapVariable } from '../rpc/wrap-nonce.ts';
import type { Outbox } from '../spool/outbox.ts';
import { exitCodeOf, passSignals, startChild, stderrMode } from './child.ts';
import type { MeterOptions } from './meter.ts';
import { drain, pass } from './pass.ts';
import { endTree, groupAlive, guardTree } from './process-tree.ts';
import { type Meter, Tap } from './tap.ts';

/** Largest message that is parsed, bytes. A larger one passes like any other, and its record has no content. */
export const DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** A child's output that stays silent so long after the child has exited is held open by something it left behind. */
const SILENCE_MS = 1_000;
/** What a child gets to end by itself once its client is gone, before it is asked to. */
const ORPHAN_GRACE_MS = 5_000;
const PARENT_POLL_MS = 1_000;
const POLL_MS = 50;
/** Milliseconds after the child's start at which the meter is loaded, unless the server speaks before. */
const LOAD_MS = 100;
/** What publishing may take at the end. The rest stays in the spool; MCP clients give a server 2 s to exit. */
const CLOSE_MS = 300;

export interface WrapOptions {
  /** Started with `args` exactly as given. */
  readonly command: string;
  readonly args: readonly string[];
  /** The server's name for the record; else what it says of itself, else the command's name. */
  readonly server?: string;
  /** Free-form tags of every call; `model` names the model. */
  readonly tags: Readonly<Record<string, string>>;
  readonly env: NodeJS.ProcessEnv;
  readonly maxMessageBytes?: number;
  /** Where the calls go; by default the spool of Toolmeter's home. */
  readonly outbox?: Outbox;
}

/**
 * Runs an MCP server that speaks stdio as a child of this process, passes everything through as it is, and records
 * each call. Resolves to the exit code that the child ended with: its own, 128 + n where a signal killed it, 126 or
 * 127 where it could not be started. Never rejects for a reason of its own metering: without a usable home the
 * server runs unmetered, and standard error says so once.
 */
export async function wrap(options: WrapOptions): Promise<number> {
  const signals = passSignals();
  const disabled = isDisabled(options.env);
  const outer = enclosingNonce(options.env[WRAP_NONCE_VARIABLE]);
  const nonce = outer ?? newNonce();
  const child = await startChild(
    options.command,
    options.args,
    disabled ? options.env : { ...options.env, [WRAP_NONCE_VARIABLE]: wrapVariable(nonce) },
    disabled ? 'inherit' : ['pipe', 'pipe', stderrMode()],
  );
  if ('sentence' in child) {
    signals.release();
    warn(child.sentence);
    return child.exitCode;
  }
  signals.to(child);
  const pid = child.pid as number;
  const exited = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => resolve(exitCodeOf(code, signal)));
  });
  const inOrder = guardTree(pid);
  try {
    if (disabled) return await exited;
    return await meterChild(child, exited, { nonce, nested: outer !== undefined }, options, signals.release);
  } finally {
    signals.release();
    if (groupAlive(pid)) await endTree(pid);
    inOrder();
  }
}

async function meterChild(
  child: ChildProcess,
  exited: Promise<number>,
  place: Pick<MeterOptions, 'nonce' | 'nested'>,
  options: WrapOptions,
  releaseSignals: () => void,
): Promise<number> {
  const stdin = child.stdin!;
  const stdout = child.stdout!;
  const loadMeter = async (): Promise<Meter> => {
    const { openMeter } = await import('./meter.ts');
    return openMeter({ maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES, ...options, ...place, warn });
  };
  const tap = new Tap(loadMeter, warn);
  // While a slow server is starting there is time to load; a quick one's first answer goes before.
  const loading = setTimeout(() => void tap.open(), LOAD_MS);
  let clientGone = false;
  let lastOutputMs = performance.now();

  const fromClient = pass(process.stdin, stdin, (chunk) => tap.fromClient(chunk));
  const toClient = pass(stdout, process.stdout, (chunk) => {
    lastOutputMs = performance.now();
    tap.fromServer(chunk);
    void tap.open();
  });
  const diagnostics = child.stderr === null ? undefined : drain(child.stderr, process.stderr);

  void fromClient.then(({ by }) => {
    if (by === 'sink') {
      // The child reads no more; closing our end tells the client what it would have been told without us.
      process.stdin.destroy();
    } else {
      clientGone = true;
      stdin.end();
    }
  });
  const orphaned = new AbortController();
  /** Nobody is left to answer to: the child gets its end of input, time, and then a request to end. */
  const orphan = (): void => {
    if (orphaned.signal.aborted) return;
    orphaned.abort();
    clientGone = true;
    stdin.end();
    void sleep(ORPHAN_GRACE_MS, childEnded.signal).then(() => {
      if (!childEnded.signal.aborted) return endTree(child.pid as number);
    });
  };
  const childEnded = new AbortController();
  const parent = process.ppid;
  const parentWatch = setInterval(() => {
    if (process.ppid !== parent) orphan();
  }, PARENT_POLL_MS);
  parentWatch.unref();
  void toClient.then(({ by }) => {
    if (by !== 'sink') return;
    stdout.destroy();
    orphan();
  });

  const exitCode = await exited;
  childEnded.abort();
  clearInterval(parentWatch);
  clearTimeout(loading);
  const clientWasGone = clientGone;
  await lastOutput(toClient, () => lastOutputMs);
  if (groupAlive(child.pid as number)) await endTree(child.pid as number);
  stdout.destroy();
  child.stderr?.destroy();
  await toClient;
  await diagnostics;
  process.stdin.destroy();
  releaseSignals();
  await tap.close(clientWasGone ? 'disconnected' : 'lost', CLOSE_MS);
  return exitCode;
}

/**
 * Waits for the end of the output of a child that has exited: what was written last is still on its way. A process
 * that it left behind may hold the pipe open for ever, so silence counts as the end; a client that reads slowly is
 * no silence.
 */
async function lastOutput(ended: Promise<unknown>, lastOutputMs: () => number): Promise<void> {
  const over = new AbortController();
  void ended.then(() => over.abort());
  while (!over.signal.aborted) {
    const waiting = process.stdout.writableLength > 0;
    const silentMs = performance.now() - lastOutputMs();
    if (!waiting && silentMs >= SILENCE_MS) return;
    await sleep(waiting ? POLL_MS : SILENCE_MS - silentMs, over.signal);
  }
}

/**
 * No other wrapper's. It need not be secret, since what is derived from it is keyed; so the child's start doesn't
 * wait until node:crypto is loaded (6 ms).
 */
function newNonce(): string {
  const random = (): string => Math.random().toString(36).slice(2).padEnd(10, '0');
  return `${Date.now().toString(36)}-${process.pid.toString(36)}-${random()}${random()}`;
}

/** One line on standard error, where MCP clients keep a server's diagnostics. */
function warn(sentence: string): void {
  process.stderr.write(`toolmeter wrap: ${sentence}\n`);
}
