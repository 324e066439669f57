import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { messageOf } from '../../core/errors.ts';

/** How the passing on of an answer ended. */
export type RelayEnd =
  /** All of it has been handed to the client's connection. */
  | { readonly kind: 'complete' }
  /** The client went away, or took nothing for too long. */
  | { readonly kind: 'client' }
  | { readonly kind: 'timeout'; readonly phase: 'call' | 'first_byte' | 'idle' }
  /** The upstream could not be reached or read. */
  | { readonly kind: 'upstream'; readonly code: string; readonly text: string }
  /** We ended it. */
  | { readonly kind: 'stopped' };

export interface RelayLimits {
  /** Milliseconds until the status line; from then on until each next chunk (0: no limit). */
  readonly firstByteMs: number;
  readonly idleMs: number;
  /** Instead of both, until `settle`: until the calls are answered, counted anew by `extend`, and at most in all. */
  readonly call?: { readonly eachMs: number; readonly allMs: number };
}

export interface RelayHooks {
  /** Status and headers came. Sends the head, or answers something else and returns false: the upstream's is dropped. */
  head(status: number, statusText: string, raw: string[]): boolean;
  /** A chunk came: what to send of it. */
  chunk(chunk: Buffer): Buffer | undefined;
  /** Called right after chunks are with the client's connection: the place for what the client need not wait for. */
  passed(chunk: Buffer): void;
  /** Once. Unless it is `complete`, whoever is called ends or destroys the response. */
  ended(end: RelayEnd): void;
}

/** Passes one request on and its answer back: unbuffered, with back-pressure, and cancelled from either side. */
export class Relay implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;
  readonly #limits: RelayLimits;
  readonly #hooks: RelayHooks;
  readonly #startedMs = performance.now();
  #controller: Dispatcher.DispatchController | undefined;
  #ended = false;
  #refused = false;
  #hasHead = false;
  #isSettled: boolean;
  #timer: NodeJS.Timeout | undefined;
  #waitsForDrain = false;

  constructor(response: ServerResponse, limits: RelayLimits, hooks: RelayHooks) {
    this.#response = response;
    this.#limits = limits;
    this.#hooks = hooks;
    this.#isSettled = limits.call === undefined;
  }

  start(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions): void {
    this.#response.once('close', () => this.#end({ kind: 'client' }));
    this.#arm();
    try {
      dispatcher.dispatch({ ...options, headersTimeout: 0, bodyTimeout: 0 }, this);
    } catch (error) {
      this.#end(failureOf(error));
    }
  }

  /** The upstream shows progress: the call's time begins anew. */
  extend(): void {
    if (!this.#isSettled && !this.#waitsForDrain) this.#arm();
  }

  /** The calls are answered: from now on only the stream itself has limits. */
  settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    if (!this.#ended && !this.#waitsForDrain) this.#arm();
  }

  stop(): void {
    this.#end({ kind: 'stopped' });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#ended) controller.abort(new Error('the answer is no longer wanted'));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText = '',
  ): void {
    if (status < 200 || this.#ended) return;
    this.#hasHead = true;
    const raw = ((controller.rawHeaders ?? []) as (Buffer | string)[]).map((part) =>
      typeof part === 'string' ? part : part.toString('latin1'),
    );
    try {
      this.#refused = !this.#hooks.head(status, statusText, raw);
    } catch (error) {
      this.#end({ kind: 'upstream', code: 'headers', text: messageOf(error) });
      return;
    }
    if (this.#refused) {
      this.#finish();
      controller.abort(new Error('the answer was refused'));
    } else if (this.#isSettled) this.#arm();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#ended) return;
    const out = this.#hooks.chunk(chunk);
    const hasRoom = out === undefined || out.length === 0 || this.#response.write(out);
    this.#hooks.passed(chunk);
    if (this.#ended) return;
    if (!hasRoom) {
      controller.pause();
      this.#waitsForDrain = true;
      this.#arm();
      this.#response.once('drain', () => {
        this.#waitsForDrain = false;
        if (this.#ended) return;
        this.#arm();
        controller.resume();
      });
    } else if (this.#isSettled) this.#timer?.refresh();
  }

  onResponseEnd(): void {
    if (this.#ended) return;
    this.#finish();
    this.#response.end();
    this.#hooks.ended({ kind: 'complete' });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end(failureOf(error));
  }

  #finish(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #end(end: RelayEnd): void {
    if (this.#ended) return;
    this.#finish();
    this.#hooks.ended(end);
    this.#controller?.abort(new Error('the answer is no longer wanted'));
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const { call, firstByteMs, idleMs } = this.#limits;
    if (this.#waitsForDrain) this.#after(idleMs, { kind: 'client' });
    else if (!this.#isSettled && call !== undefined) {
      const leftMs = this.#startedMs + call.allMs - performance.now();
      this.#after(Math.max(1, Math.min(call.eachMs, leftMs)), { kind: 'timeout', phase: 'call' });
    } else if (this.#hasHead) this.#after(idleMs, { kind: 'timeout', phase: 'idle' });
    else this.#after(firstByteMs, { kind: 'timeout', phase: 'first_byte' });
  }

  #after(ms: number, end: RelayEnd): void {
    this.#timer = ms === 0 ? undefined : setTimeout(() => this.#end(end), ms);
  }
}

/** An upstream's failure as a record tells it: undici's or Node's code, and words of ours that name no address. */
function failureOf(error: unknown): RelayEnd {
  const code = (error as { code?: unknown }).code;
  const name = typeof code === 'string' ? code : 'unknown';
  return { kind: 'upstream', code: name, text: WORDS[name] ?? 'The upstream could not be reached or read' };
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The upstream refused the connection',
  ECONNRESET: 'The upstream broke the connection off',
  ENOTFOUND: "The upstream's name is not known",
  UND_ERR_CONNECT_TIMEOUT: 'The upstream could not be connected in time',
  UND_ERR_SOCKET: 'The upstream closed the connection early',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'The upstream sent another length than it said',
  HPE_INVALID_CONSTANT: 'The upstream does not speak HTTP',
};
