import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type CallSummary, LABELS, type LabelFilter } from '../../schemas/api.ts';
import { OUTCOMES, VANTAGES } from '../../schemas/call-event.ts';
import type { Authenticator } from '../auth/authenticate.ts';
import { narrow } from '../auth/scope.ts';
import { formatPositions, parsePositions } from '../live/positions.ts';
import type { CallsTail, Page, Watch } from '../live/tail.ts';
import { ApiError } from '../problem.ts';
import { flag, labelParameters, whereOf, words } from '../query-string.ts';
import { parseQuery } from '../route.ts';

export interface StreamDeps {
  readonly tail: CallsTail;
  readonly authenticator: Authenticator;
}

export const StreamQuerySchema = z.strictObject({
  ...labelParameters,
  outcome: words(OUTCOMES, OUTCOMES.length).optional().describe('Only calls that ended so; any of several.'),
  vantage: z.enum(VANTAGES).optional().describe('Only what this vantage point saw.'),
  counted: flag.optional().describe('Only observations that count, or only those that do not.'),
});

/** Streams at a time; one more is told to come back. */
const MAX_STREAMS = 64;
/** A comment is sent this often when nothing else is: proxies end what is silent. */
const HEARTBEAT_MS = 15_000;
/** What a browser waits before it comes back. */
const RETRY_MS = 2_000;

/**
 * `GET /v1/events/stream`: calls as they land, as server-sent events (https://html.spec.whatwg.org/#server-sent-events).
 * `call` holds a summary as `GET /v1/calls` has it, `gap` how many were left out because the reader was too slow or too
 * long away. An event's id is where to go on from: a browser sends it as `Last-Event-ID` when it comes back.
 */
export function addStreamRoute(app: FastifyInstance, { tail, authenticator }: StreamDeps): void {
  let streams = 0;
  app.addHook('preClose', () => tail.close());
  app.get(
    '/v1/events/stream',
    {
      // Its answer would be read to the end, and there is none.
      exposeHeadRoute: false,
      preHandler: async (request) => {
        authenticator.permit(request, 'calls.read');
      },
    },
    async (request, reply) => {
      const query = parseQuery(StreamQuerySchema, request.query);
      const lastId = request.headers['last-event-id'];
      const after = typeof lastId === 'string' && lastId !== '' ? parsePositions(lastId) : undefined;
      if (after === null)
        throw new ApiError('TM_PARAMETER_INVALID', 'Last-Event-ID is not one of ours.', 'Leave it out.', [
          { parameter: 'Last-Event-ID', message: 'is not one of ours' },
        ]);
      if (streams >= MAX_STREAMS)
        throw new ApiError('TM_BUSY', `${streams} streams are open.`, 'Try again later.');
      streams++;
      let watch: Watch;
      try {
        const filter = narrow({ where: whereOf(query) }, authenticator.principal(request));
        watch = await tail.watch(
          filter === null ? () => false : (call) => fits(call, filter.where, query),
          after ?? null,
        );
      } catch (error) {
        streams--;
        throw error;
      }
      request.raw.socket.once('close', () => watch.close());
      const body = Readable.from(events(watch), { objectMode: false });
      body.once('close', () => {
        streams--;
        watch.close();
      });
      return (
        reply
          .type('text/event-stream; charset=utf-8')
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          // A connection that goes on after its stream would hold up the end of the server.
          .header('connection', 'close')
          .send(body)
      );
    },
  );
}

/** Pulled by the connection: a reader that is slow pulls less, and what it is behind is bounded by its watch. */
async function* events(watch: Watch): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n\n`;
  for (;;) {
    const page = await watch.next(HEARTBEAT_MS);
    if (page === null) return;
    yield eventsOf(page);
  }
}

function eventsOf({ calls, missed, positions }: Page): string {
  const id = `id: ${formatPositions(positions)}\n`;
  if (calls.length === 0 && missed === 0) return ': nothing new\n\n';
  const gap = missed === 0 ? '' : `event: gap\n${id}data: ${JSON.stringify({ missed })}\n\n`;
  // Of a page only the last event says where to go on: before it, part of the page would be given twice.
  const last = calls.length - 1;
  return (
    gap +
    calls.map((call, i) => `event: call\n${i === last ? id : ''}data: ${JSON.stringify(call)}\n\n`).join('')
  );
}

function fits(call: CallSummary, where: LabelFilter, query: z.output<typeof StreamQuerySchema>): boolean {
  for (const label of LABELS) {
    const values = where[label];
    if (values !== undefined && !values.includes(call[label])) return false;
  }
  return (
    (query.outcome === undefined || (query.outcome as readonly string[]).includes(call.outcome)) &&
    (query.vantage === undefined || query.vantage === call.vantage) &&
    (query.counted === undefined || query.counted === call.counted)
  );
}
