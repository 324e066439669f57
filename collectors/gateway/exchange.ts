import type { Ending, RpcTracker } from '../rpc/tracker.ts';
import { type AnswerReader, openAnswerReader } from './answer-reader.ts';
import { endToEnd, headerOf } from './headers.ts';
import { type Admitted, ANONYMOUS, contextOf, textHeader, upstreamHeaders } from './inbound.ts';
import { newTracker, type Parts } from './parts.ts';
import { Recorder, recordOther } from './recorder.ts';
import { errorText, idText, type Refusal, RPC, sendRefusal } from './refusal.ts';
import { Relay, type RelayEnd, type RelayHooks } from './relay.ts';
import type { Posted } from './request-message.ts';
import { Sessions } from './sessions.ts';
import type { Target } from './upstream.ts';

const STATELESS_FROM = '2026-07-28';
/** Requests whose answer is a stream that stays open. */
const LONG_LIVED = new Set(['subscriptions/listen']);

/** Passes a POST to its upstream and records its calls. */
export function exchange(
  parts: Parts,
  admitted: Admitted,
  posted: Posted,
  body: Buffer,
  target: Target,
): void {
  new Exchange(parts, admitted, posted).start(body, target);
}

class Exchange implements RelayHooks {
  readonly #parts: Parts;
  readonly #admitted: Admitted;
  readonly #posted: Posted;
  readonly #recorder: Recorder;
  readonly #relay: Relay;
  readonly #isLongLived: boolean;
  #reader: AnswerReader | undefined;
  #status = 0;
  #isStream = false;
  #sessionKey: string | undefined;

  constructor(parts: Parts, admitted: Admitted, posted: Posted) {
    this.#parts = parts;
    this.#admitted = admitted;
    this.#posted = posted;
    this.#recorder = new Recorder(this.#tracker(), () => this.#relay.extend());
    this.#isLongLived = posted.requests.some(({ method }) => LONG_LIVED.has(method));
    const { timeouts } = parts.config;
    const isToolCall = posted.requests.some(({ tool }) => tool !== null);
    this.#relay = new Relay(
      admitted.response,
      {
        firstByteMs: timeouts.first_byte_ms,
        idleMs: this.#isLongLived ? timeouts.stream_idle_ms : timeouts.idle_ms,
        ...(isToolCall && { call: { eachMs: admitted.upstream.callMs, allMs: timeouts.call_max_ms } }),
      },
      this,
    );
  }

  /** The session's tracker where the request names one that is known; else one of its own. */
  #tracker(): RpcTracker {
    const { upstream, caller, request } = this.#admitted;
    const session = textHeader(request, 'mcp-session-id');
    const fresh = (): RpcTracker => newTracker(this.#parts, upstream.name);
    if (session === undefined) return fresh();
    this.#sessionKey = Sessions.key(upstream.name, caller?.name ?? ANONYMOUS, session);
    const known = this.#parts.sessions.get(this.#sessionKey);
    if (known !== undefined) return known;
    const tracker = fresh();
    this.#parts.sessions.put(this.#sessionKey, tracker);
    return tracker;
  }

  start(body: Buffer, { pool, path }: Target): void {
    const { caller } = this.#admitted;
    const { isBatch } = this.#posted;
    this.#recorder.begin(this.#posted, contextOf(this.#admitted, caller, isBatch));
    const { calls } = this.#recorder;
    this.#parts.relays.add(this.#relay);
    if (this.#isLongLived) this.#parts.streams.add(this.#relay);
    this.#relay.start(pool, {
      method: 'POST',
      path,
      headers: upstreamHeaders(this.#admitted, calls.length === 1 ? calls[0]?.callId : undefined),
      body,
    });
  }

  head(status: number, statusText: string, raw: string[]): boolean {
    this.#status = status;
    if (status >= 300 && status < 400) {
      const code = `http_${status}`;
      this.#refuse(
        badGateway({ outcome: 'upstream_error', code, text: 'The upstream answered with a redirect' }),
      );
      this.#ended();
      return false;
    }
    const { response } = this.#admitted;
    const type = headerOf(raw, 'content-type');
    this.#isStream = /^\s*text\/event-stream\b/i.test(type ?? '');
    if (this.#recorder.calls.length > 0)
      this.#reader = openAnswerReader(
        type,
        headerOf(raw, 'content-encoding'),
        this.#parts.config.max_record_bytes,
        this.#parts.budget,
        this.#recorder,
      );
    response.sendDate = false;
    response.writeHead(status, statusText, endToEnd(raw));
    if (this.#isStream) response.flushHeaders();
    this.#learnSession(status, headerOf(raw, 'mcp-session-id'));
    return true;
  }

  chunk(chunk: Buffer): Buffer {
    return chunk;
  }

  passed(chunk: Buffer): void {
    this.#recorder.arrivedMs = performance.now();
    this.#reader?.push(chunk);
    if (this.#isStream && this.#recorder.isSettled) this.#relay.settle();
  }

  ended(end: RelayEnd): void {
    this.#ended();
    if (end.kind === 'complete') {
      this.#recorder.arrivedMs ||= performance.now();
      // After the answer has gone: what reads it need not be waited for.
      if (this.#reader !== undefined) setImmediate(() => this.#reader?.end(() => this.#complete()));
      else this.#complete();
      return;
    }
    const ending = this.#endingOf(end);
    const { response } = this.#admitted;
    if (end.kind === 'client') response.destroy();
    else if (!response.headersSent) this.#refuse(refusalOf(end, ending));
    else this.#breakOff(end, ending);
    this.#reader?.drop();
    this.#conclude(end, ending);
  }

  /** The upstream's answer is whole. */
  #complete(): void {
    if (this.#isResumable) this.#park();
    else this.#close(this.#recorder.unanswered(this.#status));
  }

  #conclude(end: RelayEnd, ending: Ending): void {
    if (end.kind !== 'timeout' && this.#isResumable) this.#park();
    else this.#close(ending);
  }

  /** The answer has begun: an event that ends the calls where the stream can take one, else the connection ends. */
  #breakOff(end: Exclude<RelayEnd, { kind: 'complete' }>, ending: Ending): void {
    const { response } = this.#admitted;
    if (!this.#isStream || this.#reader?.canAppend !== true || this.#isResumable) {
      response.destroy();
      return;
    }
    const refusal = refusalOf(end, ending);
    for (const { text } of this.#openRequests())
      response.write(`event: message\ndata: ${errorText(refusal, idText(text))}\n\n`);
    response.end();
  }

  #openRequests(): Posted['requests'] {
    const open = new Set(this.#recorder.calls.filter((call) => !call.ended).map((call) => call.id));
    return this.#posted.requests.filter(({ id }) => open.has(id));
  }

  /** Up to 2025-11-25, a session's stream that had event ids can go on by a GET that names the last one. */
  get #isResumable(): boolean {
    return (
      this.#sessionKey !== undefined &&
      this.#reader?.hasIds === true &&
      this.#parts.config.timeouts.resume_ms > 0 &&
      !this.#recorder.isSettled
    );
  }

  #park(): void {
    const { parked, config } = this.#parts;
    const giveUp = (): void => {
      clearTimeout(timer);
      parked.delete(giveUp);
      this.#close({ outcome: 'disconnected', text: 'the stream broke, and no other brought the answer' });
    };
    const timer = setTimeout(giveUp, config.timeouts.resume_ms);
    timer.unref();
    parked.add(giveUp);
  }

  #close(ending: Ending): void {
    this.#recorder.finish(ending);
    // A session's tracker goes on; one of this exchange alone has nothing more to wait for.
    if (this.#sessionKey === undefined) this.#recorder.tracker.close();
  }

  #endingOf(end: Exclude<RelayEnd, { kind: 'complete' }>): Ending {
    switch (end.kind) {
      case 'client':
        return { outcome: this.#isStateless ? 'cancelled' : 'disconnected', text: 'the client went away' };
      case 'timeout':
        return { outcome: 'timeout', code: end.phase, text: TIMEOUT_TEXT[end.phase] };
      case 'upstream':
        return { outcome: 'upstream_error', code: end.code, text: end.text };
      case 'stopped':
        return { outcome: 'disconnected', text: 'the gateway was stopped' };
    }
  }

  get #isStateless(): boolean {
    return (this.#recorder.calls[0]?.protocolVersion ?? '') >= STATELESS_FROM;
  }

  #refuse(refusal: Refusal): void {
    sendRefusal(this.#admitted.response, refusal, this.#posted, true);
    if (this.#recorder.calls.length > 0) this.#close(refusal.ending);
    else this.#recordNotice(refusal.ending);
  }

  /** What was posted holds no request: that it could not be passed on is recorded all the same. */
  #recordNotice(ending: Ending): void {
    const [first] = this.#posted.messages;
    const method = (first?.[0] as { method?: unknown } | undefined)?.method;
    recordOther(
      this.#recorder.tracker,
      typeof method === 'string' ? method : 'http/post',
      ending,
      contextOf(this.#admitted, this.#admitted.caller),
    );
  }

  #ended(): void {
    this.#parts.relays.delete(this.#relay);
    this.#parts.streams.delete(this.#relay);
  }

  /** An `initialize` was answered with a session; or the session that was named is gone. */
  #learnSession(status: number, session: string | undefined): void {
    const { sessions } = this.#parts;
    if (this.#sessionKey !== undefined) {
      if (status === 404) sessions.end(this.#sessionKey);
      return;
    }
    if (session === undefined || status >= 300) return;
    if (!this.#posted.requests.some(({ method }) => method === 'initialize')) return;
    const { upstream, caller } = this.#admitted;
    this.#sessionKey = Sessions.key(upstream.name, caller?.name ?? ANONYMOUS, session);
    sessions.put(this.#sessionKey, this.#recorder.tracker);
  }
}

const TIMEOUT_TEXT = {
  call: 'The call was not answered in time',
  first_byte: 'The upstream did not begin to answer in time',
  idle: 'The upstream stopped in the middle of its answer',
} as const;

/** What a client is told whose answer did not come. */
export function refusalOf(end: Exclude<RelayEnd, { kind: 'complete' }>, ending: Ending): Refusal {
  if (end.kind === 'timeout')
    return { status: 504, code: RPC.timeout, message: ending.text ?? 'Timed out', ending };
  return end.kind === 'stopped'
    ? {
        status: 503,
        code: RPC.upstream,
        message: 'The gateway is stopping',
        headers: { 'retry-after': '1' },
        ending,
      }
    : badGateway(ending);
}

export const badGateway = (ending: Ending): Refusal => ({
  status: 502,
  code: RPC.upstream,
  message: ending.text ?? 'The upstream could not be reached or read',
  ending,
});
