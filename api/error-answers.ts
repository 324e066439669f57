import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { Log } from '../core/log.ts';
import type { Registry } from '../telemetry/metrics.ts';
import { SECURITY_HEADERS } from './guard.ts';
import {
  type ApiCode,
  ApiError,
  PROBLEM_JSON,
  type Problem,
  problem,
  problemOf,
  retryAfterOf,
} from './problem.ts';

export interface ErrorAnswers {
  /** For errors before a route is found. */
  readonly framework: NonNullable<FastifyServerOptions['frameworkErrors']>;
  /** For what is not HTTP, or arrives too slowly. */
  readonly client: NonNullable<FastifyServerOptions['clientErrorHandler']>;
  /** For everything that a hook or a route throws, and for paths that there are not. Before any route is added. */
  install(app: FastifyInstance): void;
}

/** Denials, which are counted by their code. */
const DENIALS: ReadonlySet<string> = new Set([
  'TM_UNAUTHENTICATED',
  'TM_FORBIDDEN',
  'TM_HOST_UNKNOWN',
  'TM_ORIGIN_FORBIDDEN',
]);

/** The one place where an error becomes an answer: `application/problem+json`. */
export function errorAnswers(log: Log, registry: Registry, limits: { maxBodyBytes: number }): ErrorAnswers {
  const send = (request: FastifyRequest, reply: FastifyReply, answer: Problem): FastifyReply => {
    if (DENIALS.has(answer.code)) registry.add('toolmeter.auth.denied', { code: answer.code });
    const retryAfter = retryAfterOf(answer.status);
    if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
    if (answer.status === 401) reply.header('www-authenticate', 'Bearer realm="toolmeter"');
    return reply
      .code(answer.status)
      .type(PROBLEM_JSON)
      .serializer(JSON.stringify)
      .send({ ...answer, instance: `urn:uuid:${request.id}` });
  };

  const answer = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const told = problemOf(error, limits);
    const fields = { request: request.id, route: request.routeOptions.url, code: told.code };
    if (told.status >= 500) log.error({ ...fields, error }, 'a request failed');
    else log.debug(fields, told.detail);
    return send(request, reply, told);
  };

  return {
    framework: (error, request, reply) => {
      reply.headers(SECURITY_HEADERS).header('x-request-id', request.id);
      return answer(error, request, reply);
    },
    client: (error, socket) => {
      const [code, detail] = clientProblem(error.code);
      writeRaw(socket as Socket, problem(code, detail, ''));
    },
    install: (app) => {
      const methodsOf = watchRoutes(app);
      app.setErrorHandler((error, request, reply) => answer(error, request, reply));
      app.setNotFoundHandler((request, reply) => {
        const allowed = methodsOf(request.url);
        if (allowed.length === 0)
          throw new ApiError('TM_NOT_FOUND', 'There is no such path.', 'See /openapi.json.');
        reply.header('allow', allowed.join(', '));
        if (request.method === 'OPTIONS') return preflight(reply);
        throw new ApiError(
          'TM_METHOD_NOT_ALLOWED',
          `This path has ${allowed.join(', ')}.`,
          'See /openapi.json.',
        );
      });
    },
  };
}

/** Remembers the routes as they are added. Returns which methods the path of an address has. */
function watchRoutes(app: FastifyInstance): (url: string) => string[] {
  const routes: { readonly method: string; readonly pattern: RegExp }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    const pattern = new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`);
    for (const name of [method].flat()) routes.push({ method: name, pattern });
  });
  return (url) => {
    const path = url.split('?')[0] ?? '';
    return [...new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
  };
}

/** A browser asks first (CORS). That its page may call has been decided by the guard, which has set its header. */
function preflight(reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .header('access-control-allow-methods', 'GET, HEAD, POST')
    .header('access-control-allow-headers', 'authorization, content-type, accept')
    .header('access-control-max-age', '600')
    .send();
}

function clientProblem(code: string | undefined): readonly [ApiCode, string] {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return ['TM_REQUEST_TIMEOUT', 'The request did not arrive in time.'];
  if (code === 'HPE_HEADER_OVERFLOW') return ['TM_HEADERS_TOO_LARGE', 'Headers may have 16 KiB in all.'];
  return ['TM_REQUEST_MALFORMED', 'What was sent is not HTTP/1.1.'];
}

/** Answers where there is no request to answer to. */
function writeRaw(socket: Socket, answer: Problem): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(answer);
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\ncontent-type: ${PROBLEM_JSON}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
