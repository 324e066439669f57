import type { HashKey } from '../../core/keyed-hash.ts';
import type { CollectorKind, ObservedCall, Outcome, Vantage } from '../../schemas/call-event.ts';
import type { CaptureOptions } from '../capture.ts';
import type { Outbox } from '../spool/outbox.ts';
import { TrackedCall } from './call.ts';
import type { Caller } from './caller.ts';
import {
  asObject,
  CALL_META_KEY,
  carriedCallId,
  type Implementation,
  implementationOf,
  isInterim,
  isRequestId,
  type JsonObject,
  type RequestId,
  serverOfResult,
} from './message.ts';

export type TransportKind = ObservedCall['transport'];

/** What holds for every call of a connection. */
export interface TrackerOptions {
  readonly outbox: Outbox;
  readonly capture: CaptureOptions;
  readonly vantage: Vantage;
  readonly transport: TransportKind;
  readonly collector: { readonly kind: CollectorKind; readonly version: string };
  /** The server's name for the record; else what it says of itself, else `fallbackServer`, else `unknown`. */
  readonly server?: Implementation;
  readonly fallbackServer?: Implementation;
  /** Who calls, where the connection itself tells; else what `MessageContext` says, else what the client declares. */
  readonly caller?: Caller;
  readonly tags?: Readonly<Record<string, string>>;
  readonly model?: string;
  /** With both, call ids that came with no request are derived (see `deriveCallId`); else they are random. */
  readonly callKey?: HashKey;
  readonly nonce?: string;
  /** A meter inside a wrap: it is seen, and does not count. */
  readonly nested?: boolean;
  /** Take `io.toolmeter/call` out of a request's `_meta` (parsed messages only; wire bytes are never changed). */
  readonly takeCallId?: boolean;
  /** Calls that may be open at once; past it the oldest is given up as `lost`. Default 10,000. */
  readonly maxOpen?: number;
  /** Wire text that open calls may hold, UTF-16 units; past it a call's content is omitted. Default 64 Mi. */
  readonly maxHeldText?: number;
}

/** What comes with one message beside the message. */
export interface MessageContext {
  /** When it arrived, on the clock of `performance.now()`; default: now. */
  readonly arrivedMs?: number | undefined;
  readonly sessionId?: string | undefined;
  readonly caller?: Caller | undefined;
  readonly ip?: string | undefined;
  /** HTTP request header by lower-case name. */
  readonly header?: ((name: string) => string | undefined) | undefined;
  /** The call inside whose handler this one is made. */
  readonly parentCallId?: string | undefined;
}

/** How a call ended that no JSON-RPC answer ended. */
export interface Ending {
  readonly outcome: Outcome;
  readonly code?: string;
  readonly text?: string;
}

/** Path of a message that is no batch. */
const WHOLE: readonly number[] = [];

/** A cancelled call waits this long for a late answer before its record is closed, milliseconds. */
const LATE_ANSWER_MS = 1_000;
const MAX_OPEN = 10_000;
const MAX_HELD_TEXT = 64 * 1024 * 1024;

/**
 * Follows the JSON-RPC messages of one connection and makes a record of each request that a client sends.
 *
 * Requests pair with answers by id, value and type. A re-used id pairs in the order of asking. Requests of the server
 * (sampling, elicitation, roots) have ids of their own and are told apart by direction; they are no calls. Methods
 * take a parsed message, or a batch, and with it the text it was parsed from where there is one: the record then
 * holds that text and not another serialisation. They do constant work a message and never throw; the record itself
 * is made by `TrackedCall.event()`, which the outbox calls later.
 */
export class RpcTracker {
  readonly options: TrackerOptions;
  /** Learnt from `initialize` and `server/discover`. */
  client: Implementation | undefined;
  server: Implementation | undefined;
  protocolVersion: string | undefined;
  /** Answers that no open call waits for. */
  unmatched = 0;

  /** First of those open under an id; the others hang on `TrackedCall.next`. */
  readonly #open = new Map<RequestId, TrackedCall>();
  #count = 0;
  #heldText = 0;
  /** Cancelled, record still open for a late answer. */
  readonly #cancelled = new Map<RequestId, TrackedCall>();
  #lateTimer: NodeJS.Timeout | undefined;

  constructor(options: TrackerOptions) {
    this.options = options;
  }

  /** Calls begun and not ended. */
  get open(): number {
    return this.#count;
  }

  /**
   * A message on its way from client to server. The call that it begins, or undefined: a notification, an answer to
   * the server, no JSON-RPC (recorded as `malformed`), or a batch (whose calls are followed all the same).
   */
  fromClient(message: unknown, wire?: string, context?: MessageContext): TrackedCall | undefined {
    if (Array.isArray(message)) {
      if (message.length === 0) this.malformed(wire ?? '[]', 'an empty batch', context);
      for (let i = 0; i < message.length; i++) this.#request(message[i], wire, [i], context);
      return undefined;
    }
    return this.#request(message, wire, WHOLE, context);
  }

  /** A message on its way from server to client. The call that it ends, or undefined. */
  fromServer(message: unknown, wire?: string, arrivedMs?: number): TrackedCall | undefined {
    if (Array.isArray(message)) {
      for (let i = 0; i < message.length; i++) this.#answer(message[i], wire, [i], arrivedMs);
      return undefined;
    }
    return this.#answer(message, wire, [], arrivedMs);
  }

  /** Text from the client that is no JSON-RPC message. `why` names the fault and quotes nothing. */
  malformed(text: string, why: string, context?: MessageContext, code?: string): void {
    const call = new TrackedCall(this, undefined, '', undefined, context);
    call.holdText(text, []);
    call.end({ outcome: 'malformed', text: why, ...(code !== undefined && { code }) });
    this.options.outbox.end(call);
  }

  /** Ends an open call some other way: a gateway's refusal, a timer. Later answers are noted, and change nothing. */
  finish(call: TrackedCall, ending: Ending): void {
    if (call.ended || !this.#remove(call)) return;
    call.end(ending);
    this.#settle(call);
  }

  /**
   * The connection is gone: what is open has no answer to come. `outcome` says what became of it; by default
   * `disconnected`, but on HTTP of revision 2026-07-28, where closing a stream is cancelling, `cancelled`.
   */
  close(outcome?: Outcome): void {
    for (const first of [...this.#open.values()]) {
      for (let call: TrackedCall | undefined = first; call !== undefined; ) {
        const next: TrackedCall | undefined = call.next;
        this.#remove(call);
        call.end({ outcome: call.suspect ? 'malformed' : (outcome ?? closingOutcome(call, this.options)) });
        this.options.outbox.end(call);
        call = next;
      }
    }
    this.#closeLate(true);
  }

  #request(
    message: unknown,
    wire: string | undefined,
    path: readonly number[],
    context: MessageContext | undefined,
  ): TrackedCall | undefined {
    const request = asObject(message);
    if (request === undefined) {
      this.malformed(wire ?? JSON.stringify(message) ?? '', 'not a JSON-RPC message', context);
      return undefined;
    }
    const { method, id } = request;
    if (typeof method !== 'string') {
      const isAnswer = id !== undefined && ('result' in request || 'error' in request);
      if (!isAnswer)
        this.malformed(wire ?? safeText(request), 'neither request, notification nor answer', context);
      return undefined;
    }
    if (id === undefined) {
      if (method === 'notifications/cancelled') this.#cancel(asObject(request.params));
      return undefined;
    }
    const params = asObject(request.params);
    const call = new TrackedCall(this, isRequestId(id) ? id : undefined, method, params, context);
    const meta = asObject(params?._meta);
    if (meta !== undefined && CALL_META_KEY in meta) {
      call.carriedId = carriedCallId(meta[CALL_META_KEY]);
      if (this.options.takeCallId) takeOut(params as JsonObject, meta);
    }
    if (wire === undefined) call.snapshotParams();
    else if (this.#heldText + wire.length <= (this.options.maxHeldText ?? MAX_HELD_TEXT)) {
      call.holdText(wire, path);
      this.#heldText += wire.length;
    } else call.omitArguments(wire, path);

    if (!isRequestId(id)) {
      call.end({ outcome: 'malformed', text: 'the id is neither string nor number' });
      this.#heldText -= call.heldText;
      this.options.outbox.end(call);
      return undefined;
    }
    call.suspect = request.jsonrpc !== '2.0' || (request.params !== undefined && params === undefined);
    if (method === 'initialize' && params !== undefined) {
      this.client = implementationOf(params.clientInfo) ?? this.client;
      if (typeof params.protocolVersion === 'string') this.protocolVersion = params.protocolVersion;
    }
    this.#add(call, id);
    this.options.outbox.begin(call);
    return call;
  }

  #answer(
    message: unknown,
    wire: string | undefined,
    path: readonly number[],
    arrivedMs: number | undefined,
  ): TrackedCall | undefined {
    const answer = asObject(message);
    if (answer === undefined || typeof answer.method === 'string' || !isRequestId(answer.id))
      return undefined;
    const call = this.#open.get(answer.id);
    if (call === undefined) {
      this.#late(answer.id);
      return undefined;
    }
    this.#remove(call);
    const result = asObject(answer.result);
    if (result !== undefined) {
      if (call.method === 'initialize' || call.method === 'server/discover' || this.server === undefined) {
        this.server = serverOfResult(result) ?? this.server;
        if (typeof result.protocolVersion === 'string') this.protocolVersion = result.protocolVersion;
      }
      if (wire === undefined) call.snapshotResult(result);
      else call.holdAnswer(wire, path, result);
      call.end(
        { outcome: isInterim(result) ? 'interim' : result.isError === true ? 'tool_error' : 'ok' },
        arrivedMs,
      );
    } else if ('error' in answer) {
      const error = asObject(answer.error);
      const { code, message: text } = error ?? {};
      call.end(
        {
          outcome: call.suspect ? 'malformed' : 'protocol_error',
          ...((typeof code === 'number' || typeof code === 'string') && { code: String(code) }),
          ...(typeof text === 'string' && { text }),
        },
        arrivedMs,
      );
    } else {
      call.end({ outcome: 'malformed', text: 'the answer has neither result nor error' }, arrivedMs);
    }
    this.options.outbox.end(call);
    return call;
  }

  #cancel(params: JsonObject | undefined): void {
    const id = params?.requestId;
    const call = isRequestId(id) ? this.#open.get(id) : undefined;
    if (call === undefined) return;
    this.#remove(call);
    const reason = typeof params?.reason === 'string' ? params.reason : undefined;
    const timedOut =
      this.options.vantage === 'client' && reason !== undefined && /time(?:d )?out/i.test(reason);
    call.end({ outcome: timedOut ? 'timeout' : 'cancelled', ...(reason !== undefined && { text: reason }) });
    this.#settle(call);
  }

  /** Keeps an ended call's record open for a while, so that an answer after the end can be noted in it. */
  #settle(call: TrackedCall): void {
    const id = call.id as RequestId;
    const before = this.#cancelled.get(id);
    if (before !== undefined) this.options.outbox.end(before);
    this.#cancelled.set(id, call);
    this.#lateTimer ??= setTimeout(() => this.#closeLate(false), LATE_ANSWER_MS).unref();
  }

  #late(id: RequestId): void {
    const call = this.#cancelled.get(id);
    if (call === undefined) {
      this.unmatched++;
      return;
    }
    this.#cancelled.delete(id);
    call.lateAnswer = true;
    this.options.outbox.end(call);
  }

  #closeLate(all: boolean): void {
    clearTimeout(this.#lateTimer);
    this.#lateTimer = undefined;
    const now = performance.now();
    for (const [id, call] of this.#cancelled) {
      if (all || now - call.endedMs >= LATE_ANSWER_MS) {
        this.#cancelled.delete(id);
        this.options.outbox.end(call);
      }
    }
    if (this.#cancelled.size > 0)
      this.#lateTimer = setTimeout(() => this.#closeLate(false), LATE_ANSWER_MS / 4).unref();
  }

  #add(call: TrackedCall, id: RequestId): void {
    const first = this.#open.get(id);
    if (first === undefined) this.#open.set(id, call);
    else {
      let last = first;
      while (last.next !== undefined) last = last.next;
      last.next = call;
    }
    if (++this.#count > (this.options.maxOpen ?? MAX_OPEN)) {
      const oldest = this.#open.values().next().value as TrackedCall;
      this.#remove(oldest);
      oldest.end({ outcome: 'lost', text: 'no answer, and too many calls open' });
      this.options.outbox.end(oldest);
    }
  }

  #remove(call: TrackedCall): boolean {
    const id = call.id as RequestId;
    let before: TrackedCall | undefined;
    let at = this.#open.get(id);
    while (at !== undefined && at !== call) {
      before = at;
      at = at.next;
    }
    if (at === undefined) return false;
    if (before !== undefined) before.next = call.next;
    else if (call.next !== undefined) this.#open.set(id, call.next);
    else this.#open.delete(id);
    call.next = undefined;
    this.#count--;
    this.#heldText -= call.heldText;
    return true;
  }
}

function closingOutcome(call: TrackedCall, options: TrackerOptions): Outcome {
  return options.transport === 'http' && (call.protocolVersion ?? '') >= '2026-07-28'
    ? 'cancelled'
    : 'disconnected';
}

/** Our key goes before the handler sees the request, and with it a `_meta` that holds nothing else. */
function takeOut(params: JsonObject, meta: JsonObject): void {
  delete meta[CALL_META_KEY];
  for (const _ in meta) return;
  delete params._meta;
}

function safeText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}
