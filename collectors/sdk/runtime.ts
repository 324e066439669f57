import { type Home, openHome } from '../../core/home.ts';
import type { HashKey } from '../../core/keyed-hash.ts';
import type { Log } from '../../core/log.ts';
import { createScrubber } from '../../processors/scrub/index.ts';
import { CAPTURE_MAX_BYTES, type CaptureOptions } from '../capture.ts';
import { enclosingNonce, WRAP_NONCE_VARIABLE } from '../rpc/wrap-nonce.ts';
import { destinationFromEnv, openOutbox } from '../spool/index.ts';
import type { Outbox } from '../spool/outbox.ts';
import { failed } from './failures.ts';
import { LazyOutbox } from './lazy-outbox.ts';

/** What the meters of a process share: the home's keys, the scrubber, the outbox. All made when first used. */
let home: Home | undefined;
let capture: CaptureOptions | undefined;
let outbox: Outbox | undefined;

function sharedHome(): Home {
  home ??= openHome();
  return home;
}

/** @throws ToolmeterError TM_HOME when the home folder can't be used: content is then never captured unscrubbed. */
export function sharedCapture(): CaptureOptions {
  if (capture === undefined) {
    const { keys } = sharedHome();
    capture = {
      scrubber: createScrubber({ key: keys.pseudonym }),
      contentKey: keys.content,
      maxBytes: captureBytes(process.env.TOOLMETER_CAPTURE_MAX_BYTES),
    };
  }
  return capture;
}

export function sharedCallKey(): HashKey {
  return sharedHome().keys.call;
}

/** The process's outbox. Opened with the first call; what was begun before is not lost by that. */
export function sharedOutbox(log: Log | undefined): Outbox {
  outbox ??= new LazyOutbox(
    async () => {
      sharedCapture();
      return openOutbox({
        home: sharedHome(),
        destination: destinationFromEnv(),
        ...(log !== undefined && { log }),
      });
    },
    (error) => failed('open its outbox', error, log),
  );
  return outbox;
}

/** Ends the shared outbox: flushes, publishes for up to `waitMs`. The next call opens another. */
export async function closeShared(waitMs?: number): Promise<void> {
  const closing = outbox;
  outbox = undefined;
  await closing?.close(waitMs);
}

let nonce: string | undefined;

/**
 * The nonce of the wrapper around this process, if there is one. It is taken out of the environment when first
 * read: a server that this one starts is not inside that wrapper.
 */
export function wrapNonce(): string | undefined {
  const found = process.env[WRAP_NONCE_VARIABLE];
  if (found !== undefined) {
    nonce = enclosingNonce(found) ?? nonce;
    delete process.env[WRAP_NONCE_VARIABLE];
  }
  return nonce;
}

function captureBytes(text: string | undefined): number {
  const bytes = Number(text);
  return text === undefined || text === '' || !Number.isInteger(bytes) || bytes < 0 || bytes > 512 * 1024
    ? CAPTURE_MAX_BYTES
    : bytes;
}
