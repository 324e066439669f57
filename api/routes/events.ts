import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type IngestSink, ingest } from '../../collectors/ingest/index.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { Registry } from '../../telemetry/metrics.ts';
import { recordBatch } from '../../telemetry/spans.ts';
import type { Authenticator } from '../auth/authenticate.ts';
import { ApiError } from '../problem.ts';
import { Slots } from '../slots.ts';

/** The answer of `POST /v1/events`: whatever is not in `rejected` is on disk. */
export const EventsAnswerSchema = z.strictObject({
  accepted: z.int().min(0),
  rejected: z.array(
    z.strictObject({
      /** Line of the body, or place in the array, from 0. */
      index: z.int().min(0),
      code: z.string(),
      message: z.string(),
      hint: z.string(),
    }),
  ),
});

export interface EventsDeps {
  readonly sink: IngestSink;
  readonly authenticator: Authenticator;
  readonly registry: Registry;
  readonly maxBodyBytes: number;
  /** Bytes of bodies in hand at a time; a post beyond is told to come back. */
  readonly maxInFlightBytes: number;
}

/** Packed bodies in hand at a time, whatever they unpack to; others wait, packed. */
const UNPACKED_IN_HAND = 4;

/** Refused events that a problem names; the rest are counted. */
const MAX_NAMED = 100;

/**
 * `POST /v1/events`. 202 once the accepted events are on disk; events that are refused are named in the answer. 422
 * where there is nothing to accept, unless a collector's own records are among them: its pump reads the answer.
 */
export function addEventsRoute(app: FastifyInstance, deps: EventsDeps): void {
  let inFlightBytes = 0;
  const unpacking = new Slots(UNPACKED_IN_HAND);
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.post(
      '/v1/events',
      {
        bodyLimit: deps.maxBodyBytes,
        schema: { response: { 202: z.toJSONSchema(EventsAnswerSchema, { target: 'draft-7' }) } },
        onRequest: async (request, reply) => {
          deps.authenticator.collector(request);
          const declared = Number(request.headers['content-length'] ?? deps.maxBodyBytes);
          const weight = Number.isFinite(declared) ? Math.min(declared, deps.maxBodyBytes) : 0;
          if (inFlightBytes + weight > deps.maxInFlightBytes)
            throw new ApiError(
              'TM_BUSY',
              `${inFlightBytes} bytes of events are in hand.`,
              'Try again in a few seconds; a collector keeps its events meanwhile.',
            );
          inFlightBytes += weight;
          reply.raw.once('close', () => {
            inFlightBytes -= weight;
          });
        },
      },
      async (request, reply) => {
        const credential = deps.authenticator.collector(request);
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const startMs = Date.now();
        const begun = performance.now();
        const packed = request.headers['content-encoding'] !== undefined;
        const release = packed ? await unpacking.take() : null;
        const { accepted, rejected, numbered, format, sizeBytes, traceparents } = await ingest(
          { headers: request.headers, body, credential },
          deps,
        ).finally(() => release?.());
        const tookMs = performance.now() - begun;
        deps.registry.add('toolmeter.ingest.records', { format, result: 'accepted' }, accepted);
        deps.registry.add('toolmeter.ingest.records', { format, result: 'rejected' }, rejected.length);
        deps.registry.add('toolmeter.ingest.size', { format }, sizeBytes);
        deps.registry.observe('toolmeter.ingest.append.duration', {}, tookMs / 1000);
        recordBatch({
          operation: 'publish',
          destination: TOPICS.raw,
          startMs,
          endMs: startMs + tookMs,
          count: accepted,
          traceparents,
        });
        if (accepted === 0 && rejected.length > 0 && !numbered)
          throw new ApiError(
            'TM_EVENTS_REJECTED',
            rejected.length === 1
              ? `The event was refused: ${rejected[0]?.code}: ${rejected[0]?.message}`
              : `All ${rejected.length} events were refused.`,
            rejected[0]?.hint ?? '',
            rejected.slice(0, MAX_NAMED).map(({ index, code, message }) => ({
              parameter: `[${index}]`,
              message: `${code}: ${message}`,
            })),
          );
        return reply.code(202).send({ accepted, rejected });
      },
    );
  });
}
