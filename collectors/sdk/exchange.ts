import type { Log } from '../../core/log.ts';
import type { TrackedCall } from '../rpc/call.ts';
import { asObject, CALL_META_KEY, type Implementation, isRequestId, takeCallId } from '../rpc/message.ts';
import type { Ending, RpcTracker } from '../rpc/tracker.ts';
import type { ExtraContext } from './context.ts';
import { failed } from './failures.ts';
import type { CallScope } from './scope.ts';
import { SseReader } from './sse.ts';

/** Of a request or answer body more than this is not read, bytes: its size is told and its content is not. */
const MAX_BODY = 16 * 1024 * 1024;

/**
 * One POST to a fetch handler and its answer, followed from outside. Whoever comes first owns the exchange: the tap
 * of a metered server's transport (`take`), or, where no transport has the message, this. Bodies are read from
 * copies: the handler gets the request as it came, but for our own call id.
 */
export class HttpExchange implements CallScope {
  readonly #tracker: RpcTracker;
  readonly #learnt: (server: Implementation) => void;
  readonly #request: Request;
  readonly #context: ExtraContext;
  readonly #log: Log | undefined;
  readonly #body: Promise<unknown>;
  #owner: 'nobody' | 'transport' | 'handler' = 'nobody';
  /** The text that the message was parsed from; undefined where it came parsed. */
  #text: string | undefined;
  #calls: TrackedCall[] = [];
  #recorded = false;
  #taken: string | undefined;
  #tags: [string, string][] = [];

  constructor(
    tracker: RpcTracker,
    request: Request,
    parsedBody: unknown,
    context: ExtraContext,
    learnt: (server: Implementation) => void,
    log: Log | undefined,
  ) {
    this.#tracker = tracker;
    this.#learnt = learnt;
    this.#request = request;
    this.#context = context;
    this.#log = log;
    this.#body = parsedBody === undefined ? this.#read(request.clone()) : Promise.resolve(parsedBody);
    if (parsedBody !== undefined) this.#taken = takeCallId(parsedBody);
  }

  /**
   * The request for the handler: as it came, or, where our call id was in it, without that. Resolves when the body has
   * arrived, which the handler would wait for itself.
   */
  async forwarded(): Promise<Request> {
    try {
      const message = await this.#body;
      // Two turns: a metered transport that gets the message at once shall have it.
      setImmediate(() => setImmediate(() => this.#own(false).catch((error) => this.#failed(error))));
      if (this.#text?.includes(`"${CALL_META_KEY}"`) !== true) return this.#request;
      this.#taken = takeCallId(message);
      const body = Buffer.from(JSON.stringify(message));
      const headers = new Headers(this.#request.headers);
      headers.set('content-length', String(body.byteLength));
      return new Request(this.#request, { body, headers });
    } catch (error) {
      this.#failed(error);
      return this.#request;
    }
  }

  get taken(): string | undefined {
    return this.#taken;
  }

  get callId(): string | undefined {
    return this.#calls[0]?.callId;
  }

  tag(key: string, value: string): void {
    this.#tags.push([key, value]);
    for (const call of this.#calls) call.tag(key, value);
  }

  /** A transport has the message. False where the exchange is recorded here already. */
  take(): boolean {
    if (this.#owner === 'handler') return false;
    this.#owner = 'transport';
    return true;
  }

  /** The handler answered. The response to pass on: the same, or one whose stream is read on its way. */
  answered(response: Response): Response {
    if (this.#owner === 'transport') return response;
    this.#owner = 'handler';
    try {
      const type = response.headers.get('content-type') ?? '';
      if (response.body !== null && type.includes('text/event-stream')) return this.#streamed(response);
      const copy = response.body === null ? undefined : response.clone();
      this.#conclude(response.status, copy).catch((error) => this.#failed(error));
    } catch (error) {
      this.#failed(error);
    }
    return response;
  }

  /** The handler threw. */
  threw(): void {
    if (this.#owner === 'transport') return;
    this.#owner = 'handler';
    this.#conclude(500, undefined).catch((error) => this.#failed(error));
  }

  #failed(error: unknown): void {
    failed('follow an HTTP exchange', error, this.#log);
  }

  async #read(request: Request): Promise<unknown> {
    const declaredBytes = Number(request.headers.get('content-length') ?? 0);
    if (declaredBytes > MAX_BODY || request.body === null) return undefined;
    this.#text = await readText(request.body);
    if (this.#text === undefined) return undefined;
    try {
      return JSON.parse(this.#text);
    } catch {
      return undefined;
    }
  }

  /**
   * Begins the calls of the request, once, unless a transport has it. Until there is an answer a metered transport
   * may still come for a message; whoever is first has it.
   */
  async #own(answered: boolean): Promise<void> {
    const message = await this.#body;
    if (this.#recorded || this.#owner === 'transport' || (message === undefined && !answered)) return;
    this.#recorded = true;
    this.#owner = 'handler';
    if (message === undefined) return;
    for (const one of Array.isArray(message) ? message : [message]) {
      const text = Array.isArray(message) ? undefined : this.#text;
      const call = this.#tracker.fromClient(one, text, this.#context);
      if (call === undefined) continue;
      call.carriedId ??= this.#taken;
      this.#calls.push(call);
    }
    for (const call of this.#calls) for (const [key, value] of this.#tags) call.tag(key, value);
  }

  async #conclude(status: number, copy: Response | undefined): Promise<void> {
    const [, text] = await Promise.all([this.#own(true), copy?.body ? readText(copy.body) : undefined]);
    let answer: unknown;
    try {
      answer = text === undefined || text === '' ? undefined : JSON.parse(text);
    } catch {
      answer = undefined;
    }
    if (answer !== undefined) this.#answer(answer, text);
    const ending = endingOf(status, answer);
    if ((await this.#body) === undefined)
      this.#tracker.malformed(
        this.#text ?? '',
        ending.text ?? 'the body is no JSON',
        this.#context,
        ending.code,
      );
    this.#finish(ending);
  }

  #streamed(response: Response): Response {
    const source = (response.body as ReadableStream<Uint8Array>).getReader();
    const events = new SseReader(MAX_BODY, (data) => {
      try {
        this.#answer(JSON.parse(data), data);
      } catch {
        // Not JSON: not an answer either.
      }
    });
    const begun = this.#own(true).catch((error) => this.#failed(error));
    const ended = (ending: Ending): void => {
      begun.then(() => this.#finish(ending)).catch((error) => this.#failed(error));
    };
    const aborted: Ending = { outcome: 'cancelled' };
    this.#request.signal.addEventListener('abort', () => ended(aborted), { once: true });
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await source.read();
          if (done) {
            ended({ outcome: 'disconnected', text: 'the stream ended without an answer' });
            controller.close();
            return;
          }
          await begun;
          events.push(value);
          controller.enqueue(value);
        } catch (error) {
          ended({ outcome: 'disconnected' });
          controller.error(error);
        }
      },
      cancel: (reason) => {
        ended(aborted);
        return source.cancel(reason);
      },
    });
    const { status, statusText, headers } = response;
    return new Response(body, { status, statusText, headers });
  }

  #answer(message: unknown, text: string | undefined): void {
    this.#tracker.fromServer(message, text);
    if (this.#tracker.server !== undefined) this.#learnt(this.#tracker.server);
  }

  #finish(ending: Ending): void {
    for (const call of this.#calls) this.#tracker.finish(call, ending);
    this.#tracker.close();
  }
}

/** How a call ended whose answer names no request: by the HTTP status and the JSON-RPC error, if there is one. */
function endingOf(status: number, answer: unknown): Ending {
  const error = asObject(asObject(answer)?.error);
  const text = typeof error?.message === 'string' ? error.message : undefined;
  const code = isRequestId(error?.code) ? String(error.code) : `http_${status}`;
  const outcome =
    status === 401 || status === 403
      ? 'denied'
      : status === 429
        ? 'rate_limited'
        : status === 499
          ? 'cancelled'
          : 'protocol_error';
  return { outcome, code, ...(text !== undefined && { text }) };
}

/** A body's text, or undefined where it is longer than `MAX_BODY`. */
async function readText(body: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > MAX_BODY) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}
