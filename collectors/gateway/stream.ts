import { type AnswerReader, openAnswerReader } from './answer-reader.ts';
import { badGateway, refusalOf } from './exchange.ts';
import { endToEnd, headerOf } from './headers.ts';
import { type Admitted, ANONYMOUS, contextOf, textHeader, upstreamHeaders } from './inbound.ts';
import { newTracker, type Parts } from './parts.ts';
import { Recorder, recordOther } from './recorder.ts';
import { sendRefusal } from './refusal.ts';
import { Relay, type RelayEnd, type RelayHooks } from './relay.ts';
import { Sessions } from './sessions.ts';
import type { Target } from './upstream.ts';

/**
 * Passes a GET (a session's stream, or one that is resumed) or a DELETE (a session's end) to its upstream. Answers that
 * come by a stream are those of calls that were posted on their own: the session's tracker knows them.
 */
export function passStream(parts: Parts, admitted: Admitted, target: Target): void {
  const { request, response, upstream, caller } = admitted;
  const method = request.method as 'GET' | 'DELETE';
  const session = textHeader(request, 'mcp-session-id');
  const key =
    session === undefined ? undefined : Sessions.key(upstream.name, caller?.name ?? ANONYMOUS, session);
  const tracker = key === undefined ? undefined : parts.sessions.get(key);
  const recorder = tracker === undefined ? undefined : new Recorder(tracker);
  let reader: AnswerReader | undefined;

  const failed = (end: Exclude<RelayEnd, { kind: 'complete' }>): void => {
    if (end.kind === 'client' || end.kind === 'stopped') return;
    const ending =
      end.kind === 'upstream'
        ? { outcome: 'upstream_error' as const, code: end.code, text: end.text }
        : { outcome: 'timeout' as const, code: end.phase };
    if (!response.headersSent) sendRefusal(response, refusalOf(end, ending), undefined, true);
    else response.destroy();
    recordOther(
      tracker ?? newTracker(parts, upstream.name),
      `http/${method.toLowerCase()}`,
      ending,
      contextOf(admitted, caller),
    );
  };
  const hooks: RelayHooks = {
    head(status, statusText, raw) {
      if (status >= 300 && status < 400 && status !== 304) {
        const ending = { outcome: 'upstream_error' as const, code: `http_${status}` };
        done();
        sendRefusal(response, badGateway(ending), undefined, true);
        recordOther(
          tracker ?? newTracker(parts, upstream.name),
          `http/${method.toLowerCase()}`,
          ending,
          contextOf(admitted, caller),
        );
        return false;
      }
      if (recorder !== undefined && method === 'GET')
        reader = openAnswerReader(
          headerOf(raw, 'content-type'),
          headerOf(raw, 'content-encoding'),
          parts.config.max_record_bytes,
          parts.budget,
          recorder,
        );
      response.sendDate = false;
      response.writeHead(status, statusText, endToEnd(raw));
      response.flushHeaders();
      const isOver = status === 404 || (method === 'DELETE' && status < 300);
      if (key !== undefined && isOver) parts.sessions.end(key);
      return true;
    },
    chunk: (chunk) => chunk,
    passed(chunk) {
      if (recorder === undefined) return;
      recorder.arrivedMs = performance.now();
      reader?.push(chunk);
    },
    ended(end) {
      done();
      reader?.drop();
      if (end.kind === 'complete') return;
      failed(end);
      if (end.kind === 'client') response.destroy();
      // The end of a chunked answer is a clean one: the client may come again, to another replica.
      else if (end.kind === 'stopped') response.end();
    },
  };
  const { first_byte_ms: firstByteMs, stream_idle_ms: idleMs } = parts.config.timeouts;
  const relay = new Relay(response, { firstByteMs, idleMs }, hooks);
  const done = (): void => {
    parts.relays.delete(relay);
    parts.streams.delete(relay);
  };
  parts.relays.add(relay);
  if (method === 'GET') parts.streams.add(relay);
  relay.start(target.pool, {
    method,
    path: target.path,
    headers: upstreamHeaders(admitted, undefined),
  });
}
