import { userInfo } from 'node:os';
import { basename } from 'node:path';
import { homePath, openHome } from '../../core/home.ts';
import { type Log, silentLog } from '../../core/log.ts';
import { VERSION } from '../../core/version.ts';
import { createScrubber } from '../../processors/scrub/index.ts';
import type { Outcome } from '../../schemas/call-event.ts';
import { CAPTURE_MAX_BYTES } from '../capture.ts';
import { RpcTracker } from '../rpc/tracker.ts';
import { destinationFromEnv, type Outbox, openOutbox } from '../spool/index.ts';
import { feedAnswer, feedRequest } from './feed.ts';
import type { WrapOptions } from './index.ts';
import { LineSplitter } from './lines.ts';
import type { Meter } from './tap.ts';

export interface MeterOptions extends WrapOptions {
  readonly maxMessageBytes: number;
  readonly nonce: string;
  /** Inside another wrapper, whose nonce it is: seen, and not counted. */
  readonly nested: boolean;
  /** Says one sentence to whoever runs the wrapper. */
  readonly warn: (sentence: string) => void;
}

/**
 * The part of a wrapper that knows Toolmeter: lines, calls, home and outbox. Loaded while the child starts.
 * @throws ToolmeterError TM_HOME where there is no usable home; what `destinationFromEnv` throws.
 */
export async function openMeter(options: MeterOptions): Promise<Meter> {
  const home = openHome(homePath(options.env), options.env);
  const outbox: Outbox =
    options.outbox ??
    openOutbox({ home, destination: destinationFromEnv(options.env), log: logTo(options.warn) });
  const tracker = new RpcTracker({
    outbox,
    capture: {
      scrubber: createScrubber({ key: home.keys.pseudonym }),
      contentKey: home.keys.content,
      maxBytes: CAPTURE_MAX_BYTES,
    },
    vantage: 'server',
    transport: 'stdio',
    collector: { kind: 'stdio', version: VERSION },
    ...(options.server !== undefined && { server: { name: options.server } }),
    fallbackServer: { name: commandName(options.command) },
    caller: { id: userName(), source: 'os_user', verified: true },
    tags: options.tags,
    callKey: home.keys.call,
    nonce: options.nonce,
    nested: options.nested,
  });
  const { maxMessageBytes } = options;
  let arrivedMs = 0;
  const client = new LineSplitter(
    feedRequest(tracker, () => arrivedMs),
    maxMessageBytes,
  );
  const server = new LineSplitter(
    feedAnswer(tracker, () => arrivedMs),
    maxMessageBytes,
  );
  return {
    fromClient(chunk, at) {
      arrivedMs = at;
      client.push(chunk);
    },
    fromServer(chunk, at) {
      arrivedMs = at;
      server.push(chunk);
    },
    async close(outcome: Outcome, waitMs: number) {
      arrivedMs = performance.now();
      client.end();
      server.end();
      tracker.close(outcome);
      await outbox.close(waitMs);
    },
  };
}

/** What the outbox has to say: only what somebody may want to act on. */
function logTo(warn: (sentence: string) => void): Log {
  const say = (fields: object, message: string): void => {
    const { hint } = fields as { hint?: unknown };
    warn(typeof hint === 'string' && hint !== '' ? `${message} ${hint}` : message);
  };
  return { ...silentLog, warn: say, error: say };
}

/** `/usr/bin/node` → `node`, `npx.cmd` → `npx`. */
function commandName(command: string): string {
  return basename(command).replace(/\.(?:exe|cmd|bat|ps1)$/i, '');
}

/** The operating system vouches for it. Containers often run under a number that has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid:${process.getuid?.() ?? 'unknown'}`;
  }
}
