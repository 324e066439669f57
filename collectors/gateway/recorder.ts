import { TrackedCall } from '../rpc/call.ts';
import { asObject, isRequestId, type JsonObject } from '../rpc/message.ts';
import type { Ending, MessageContext, RpcTracker } from '../rpc/tracker.ts';
import type { Envelope } from '../stdio/envelope.ts';
import { skeletonOf } from '../stdio/feed.ts';
import type { AnswerSink } from './answer-reader.ts';
import type { Posted } from './request-message.ts';

/**
 * The calls of one POST, from what was posted to what came back. Feeds the tracker; never throws; what it is called
 * for after the answer has gone costs the caller nothing.
 */
export class Recorder implements AnswerSink {
  readonly tracker: RpcTracker;
  readonly calls: TrackedCall[] = [];
  /** When the newest chunk of the answer came, on the clock of `performance.now()`. */
  arrivedMs = 0;
  #error: JsonObject | undefined;
  readonly #onProgress: () => void;

  constructor(tracker: RpcTracker, onProgress: () => void = () => {}) {
    this.tracker = tracker;
    this.#onProgress = onProgress;
  }

  begin(posted: Posted, context: MessageContext): void {
    for (const [message, text] of posted.messages) {
      const call = this.tracker.fromClient(message, text, context);
      if (call !== undefined) this.calls.push(call);
    }
  }

  /** Whether every call has its answer, or has ended another way. */
  get isSettled(): boolean {
    for (const call of this.calls) if (!call.ended) return false;
    return true;
  }

  text(text: string): void {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return;
    }
    const messages = Array.isArray(value) ? value : [value];
    for (const message of messages) {
      const object = asObject(message);
      if (object === undefined) continue;
      if (typeof object.method === 'string') {
        if (object.method === 'notifications/progress' || isRequestId(object.id)) this.#onProgress();
      } else if (!isRequestId(object.id)) this.#error ??= asObject(object.error);
    }
    this.tracker.fromServer(value, text, this.arrivedMs);
  }

  tooLarge(messages: readonly Envelope[]): void {
    for (const envelope of messages) {
      const call = this.tracker.fromServer(skeletonOf(envelope), undefined, this.arrivedMs);
      const bytes = envelope.sizes.get('result');
      if (bytes !== undefined) call?.omit('result', bytes);
    }
  }

  /** What is still open ends like this. */
  finish(ending: Ending): void {
    for (const call of this.calls) this.tracker.finish(call, ending);
  }

  /** How calls ended whose answer was complete and named none of them. */
  unanswered(status: number): Ending {
    const { code, message } = this.#error ?? {};
    const ending = endingOfStatus(status);
    return {
      outcome: ending.outcome,
      code: isRequestId(code) ? String(code) : (ending.code ?? `http_${status}`),
      ...(typeof message === 'string'
        ? { text: message }
        : ending.text !== undefined && { text: ending.text }),
    };
  }
}

function endingOfStatus(status: number): Ending {
  const code = `http_${status}`;
  if (status === 401 || status === 403) return { outcome: 'denied', code };
  if (status === 429) return { outcome: 'rate_limited', code };
  if (status >= 500) return { outcome: 'upstream_error', code };
  if (status >= 400) return { outcome: 'protocol_error', code };
  return { outcome: 'upstream_error', code, text: 'the answer names none of the calls' };
}

/** A record of what reached the gateway and is no JSON-RPC request: a stream that failed, a notification refused. */
export function recordOther(
  tracker: RpcTracker,
  method: string,
  ending: Ending,
  context: MessageContext,
): void {
  const call = new TrackedCall(tracker, undefined, method, undefined, context);
  call.end(ending);
  tracker.options.outbox.end(call);
}
