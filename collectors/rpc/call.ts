import { uuidv7 } from '../../core/ids.ts';
import type { Content, ObservedCall, Outcome } from '../../schemas/call-event.ts';
import { CALL_EVENT_VERSION } from '../../schemas/call-event-version.ts';
import { captureContent, captureText, NO_CONTENT, omitted } from '../capture.ts';
import type { PendingCall } from '../spool/outbox.ts';
import { deriveCallId } from './call-id.ts';
import type { Caller } from './caller.ts';
import { findValue } from './find-value.ts';
import { label } from './label.ts';
import {
  asObject,
  CALL_HEADER,
  carriedCallId,
  clientOfMeta,
  type Implementation,
  type JsonObject,
  protocolOfMeta,
  type RequestId,
  toolErrorText,
} from './message.ts';
import { snapshot } from './snapshot.ts';
import { type TraceContext, traceOf } from './trace.ts';
import type { Ending, MessageContext, RpcTracker } from './tracker.ts';

/** Methods whose argument is one member of `params`; of the others it is `params` itself. */
const HAS_ARGUMENTS = new Set(['tools/call', 'prompts/get']);

/** Path of a message that is a line of its own. */
const WHOLE: readonly number[] = [];

const MAX_ERROR_TEXT = 1024;
const MAX_TAGS = 64;

/**
 * One request of a client from its beginning to its end. What happens on the call path is the noting of references
 * and two readings of the clock; `event()` does the rest when the outbox asks.
 */
export class TrackedCall implements PendingCall {
  readonly id: RequestId | undefined;
  readonly method: string;
  /** The next call that is open under the same id. */
  next: TrackedCall | undefined;
  /** Not JSON-RPC to the letter; a server may answer it all the same. */
  suspect = false;
  lateAnswer = false;
  /** A call id that came with the request. */
  carriedId: string | undefined;

  readonly #tracker: RpcTracker;
  readonly #context: MessageContext | undefined;
  readonly #startedMs: number;
  readonly #startedAt: number;
  #endedMs = 0;
  #ending: Ending | undefined;

  #params: JsonObject | undefined;
  #wire: string | undefined;
  #wirePath: readonly number[] = WHOLE;
  #result: JsonObject | undefined;
  #answerWire: string | undefined;
  #answerPath: readonly number[] = WHOLE;
  #tags: Record<string, string> | undefined;

  #eventId: string | undefined;
  #callId: string | undefined;
  #trace: TraceContext | undefined;
  #arguments: Content | undefined;
  #resultContent: Content | undefined;
  #requestId: ObservedCall['request_id'];

  constructor(
    tracker: RpcTracker,
    id: RequestId | undefined,
    method: string,
    params: JsonObject | undefined,
    context: MessageContext | undefined,
  ) {
    this.#tracker = tracker;
    this.id = id;
    this.method = method;
    this.#params = params;
    this.#context = context;
    this.#startedMs = performance.now();
    this.#startedAt = Date.now();
    if (context?.arrivedMs !== undefined) {
      this.#startedAt -= Math.max(0, Math.round(this.#startedMs - context.arrivedMs));
      this.#startedMs = context.arrivedMs;
    }
  }

  get ended(): boolean {
    return this.#ending !== undefined;
  }

  get outcome(): Outcome {
    return this.#ending?.outcome ?? 'lost';
  }

  /** When it ended, on the clock of `performance.now()`. */
  get endedMs(): number {
    return this.#endedMs;
  }

  /** UTF-16 units of request text that this call keeps alive. */
  get heldText(): number {
    return this.#wire?.length ?? 0;
  }

  get protocolVersion(): string | undefined {
    return (
      protocolOfMeta(this.#meta) ??
      this.#tracker.protocolVersion ??
      this.#context?.header?.('mcp-protocol-version')
    );
  }

  /** The id by which observations of this call are linked: carried, derived, or our own. */
  get callId(): string {
    if (this.#callId === undefined) {
      const { callKey, nonce } = this.#tracker.options;
      this.#callId =
        this.carriedId ??
        carriedCallId(this.#context?.header?.(CALL_HEADER)) ??
        (callKey !== undefined && nonce !== undefined && this.id !== undefined
          ? deriveCallId(callKey, nonce, this.id, this.method, this.#params)
          : uuidv7(this.#startedAt));
    }
    return this.#callId;
  }

  /** A tag of this call; of one key the last value counts. Past 64 tags, and after the record is made, no effect. */
  tag(key: string, value: string): void {
    this.#tags ??= {};
    if (Object.hasOwn(this.#tags, key) || Object.keys(this.#tags).length < MAX_TAGS) this.#tags[key] = value;
  }

  /** Keeps a copy of the parameters, which the handler may go on to change. */
  snapshotParams(): void {
    if (this.#params !== undefined) this.#params = snapshot(this.#params) as JsonObject;
  }

  snapshotResult(result: JsonObject): void {
    this.#result = snapshot(result) as JsonObject;
  }

  holdText(wire: string, path: readonly number[]): void {
    this.#wire = wire;
    this.#wirePath = path;
  }

  holdAnswer(wire: string, path: readonly number[], result: JsonObject): void {
    this.#answerWire = wire;
    this.#answerPath = path;
    this.#result = result;
  }

  /** There is no room to hold the arguments: their size stays, and what `event()` reads of the parameters. */
  omitArguments(wire: string, path: readonly number[]): void {
    const params = this.#params;
    const span = findValue(wire, [...path, ...this.#argumentsPath()]);
    this.#arguments = span === undefined ? NO_CONTENT : omitted(wire.slice(span.start, span.end));
    if (params === undefined) return;
    const kept: JsonObject = { _meta: params._meta };
    if (typeof params.name === 'string') kept.name = params.name.slice(0, 1024);
    if (typeof params.uri === 'string') kept.uri = params.uri.slice(0, 4096);
    this.#params = kept;
    if (this.#tracker.options.nonce !== undefined) this.#callId ??= this.carriedId ?? uuidv7(this.#startedAt);
  }

  /** One side of a message that was too large to be parsed: its size is known, and that is all. */
  omit(side: 'arguments' | 'result', bytes: number): void {
    if (side === 'result') {
      this.#resultContent = { state: 'omitted', bytes };
      return;
    }
    this.#arguments = { state: 'omitted', bytes };
    if (this.#tracker.options.nonce !== undefined) this.#callId ??= this.carriedId ?? uuidv7(this.#startedAt);
  }

  /** The first ending wins. */
  end(ending: Ending, atMs = performance.now()): void {
    if (this.#ending !== undefined) return;
    this.#endedMs = atMs;
    this.#ending = ending;
  }

  event(): ObservedCall {
    const { options } = this.#tracker;
    const client = clientOfMeta(this.#meta) ?? this.#tracker.client;
    const server = this.#server();
    const { protocolVersion } = this;
    const context = this.#context;
    const tags = this.#allTags();
    const model = options.model ?? tags.model;
    const outcome = this.outcome;
    const endedMs = this.#ending === undefined ? performance.now() : this.#endedMs;
    this.#eventId ??= uuidv7(this.#startedAt);
    this.#trace ??= traceOf(
      this.#meta?.traceparent ?? context?.header?.('traceparent'),
      this.#meta?.tracestate ?? context?.header?.('tracestate'),
    );
    if (this.id !== undefined) this.#requestId ??= this.#readRequestId(this.id);
    this.#arguments ??= this.#captureArguments();
    const name = typeof this.#params?.name === 'string' ? this.#params.name : undefined;
    const uri = typeof this.#params?.uri === 'string' ? this.#params.uri : undefined;
    const error = this.#error();
    const event: ObservedCall = {
      schema_version: CALL_EVENT_VERSION,
      kind: 'call',
      event_id: this.#eventId,
      call_id: this.callId,
      collector: options.collector,
      durable: false,
      tags,
      vantage: options.vantage,
      trace: this.#trace,
      method: label(this.method) || 'unknown',
      server: named(server?.name || 'unknown', server?.version),
      transport: options.transport,
      caller: this.#caller(client?.name),
      started_at: new Date(this.#startedAt).toISOString(),
      duration_us: Math.max(0, Math.round((endedMs - this.#startedMs) * 1000)),
      outcome,
      arguments: this.#arguments,
      result: this.#resultContent ?? this.#captureResult(),
    };
    // One by one: spreading what may be absent costs a server's thread several microseconds a call.
    if (options.nested) event.nested = true;
    if (context?.parentCallId !== undefined) event.links = { parent_call_id: context.parentCallId };
    if (name !== undefined && this.method === 'tools/call') event.tool = label(name);
    if (name !== undefined && this.method === 'prompts/get') event.prompt = label(name);
    if (uri !== undefined && this.method.startsWith('resources/'))
      event.resource_uri = captureText(uri, options.capture, 2048) ?? 'withheld:';
    if (client !== undefined) event.client = named(client.name, client.version);
    if (protocolVersion !== undefined) event.protocol_version = label(protocolVersion, 32);
    if (context?.sessionId !== undefined) event.session_id = label(context.sessionId);
    if (this.#requestId !== undefined) event.request_id = this.#requestId;
    if (context?.ip !== undefined) event.ip = label(context.ip, 64);
    if (error !== undefined) event.error = error;
    if (this.lateAnswer) event.late_answer = true;
    if (model !== undefined && model !== '')
      event.model = { name: label(model), source: options.model === undefined ? 'tag' : 'reported' };
    return event;
  }

  get #meta(): JsonObject | undefined {
    return asObject(this.#params?._meta);
  }

  /** A name that was given stands; the version is what the server says, unless that was given too. */
  #server(): Implementation | undefined {
    const { options, server } = this.#tracker;
    const { server: given, fallbackServer } = options;
    if (given === undefined) return server ?? fallbackServer;
    return given.version !== undefined || server?.version === undefined
      ? given
      : { name: given.name, version: server.version };
  }

  #argumentsPath(): string[] {
    return HAS_ARGUMENTS.has(this.method) ? ['params', 'arguments'] : ['params'];
  }

  #captureArguments(): Content {
    const { capture } = this.#tracker.options;
    if (this.method === '') return captureContent({ text: this.#wire ?? '', source: 'wire' }, capture);
    const value = HAS_ARGUMENTS.has(this.method) ? this.#params?.arguments : this.#params;
    const wire = this.#wire;
    this.#wire = undefined;
    if (wire === undefined) return value === undefined ? NO_CONTENT : captureContent({ value }, capture);
    const span = findValue(wire, [...this.#wirePath, ...this.#argumentsPath()]);
    if (span === undefined) return NO_CONTENT;
    const text = wire.slice(span.start, span.end);
    return captureContent({ text, source: 'wire', ...(value !== undefined && { value }) }, capture);
  }

  #captureResult(): Content {
    const { capture } = this.#tracker.options;
    const value = this.#result;
    if (value === undefined) return NO_CONTENT;
    const wire = this.#answerWire;
    if (wire === undefined) return captureContent({ value }, capture);
    const span = findValue(wire, [...this.#answerPath, 'result']);
    if (span === undefined) return NO_CONTENT;
    return captureContent({ text: wire.slice(span.start, span.end), source: 'wire', value }, capture);
  }

  #error(): ObservedCall['error'] {
    if (this.#ending === undefined) return undefined;
    const { code, text: given } = this.#ending;
    const raw =
      given ?? (this.outcome === 'tool_error' && this.#result ? toolErrorText(this.#result) : undefined);
    const text =
      raw === undefined ? undefined : captureText(raw, this.#tracker.options.capture, MAX_ERROR_TEXT);
    if (code === undefined && text === undefined) return undefined;
    return { ...(code !== undefined && { code: label(code, 64) }), ...(text !== undefined && { text }) };
  }

  /** The id as it was written, where the wire is at hand: digits past 2^53 survive. */
  #readRequestId(id: RequestId): NonNullable<ObservedCall['request_id']> {
    if (typeof id === 'string') return { type: 'string', value: label(id, 256) };
    const wire = this.#wire ?? this.#answerWire;
    const path = this.#wire !== undefined ? this.#wirePath : this.#answerPath;
    const span = wire === undefined ? undefined : findValue(wire, [...path, 'id']);
    return {
      type: 'number',
      value: span === undefined ? String(id) : wire!.slice(span.start, span.end).slice(0, 256),
    };
  }

  #caller(clientName: string | undefined): Caller {
    const known = this.#context?.caller ?? this.#tracker.options.caller;
    if (known !== undefined) return { ...known, id: label(known.id) };
    if (clientName !== undefined) return { id: label(clientName), source: 'declared', verified: false };
    return { id: 'unknown', source: 'none', verified: false };
  }

  #allTags(): Record<string, string> {
    const out: Record<string, string> = {};
    let count = 0;
    for (const tags of [this.#tags, this.#tracker.options.tags]) {
      for (const key in tags) {
        const name = label(key, 128);
        if (Object.hasOwn(out, name) || count >= MAX_TAGS) continue;
        out[name] = label(tags[key] as string, 1024);
        count++;
      }
    }
    return out;
  }
}

function named(name: string, version: string | undefined): { name: string; version?: string } {
  return version === undefined ? { name: label(name) } : { name: label(name), version: label(version) };
}
