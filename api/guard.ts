import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from './problem.ts';

export interface GuardConfig {
  /** Where the server is bound. */
  readonly host: string;
  /** Host names, beside loopback and `host`, that requests may name. */
  readonly allowedHosts: readonly string[];
  /** Origins of web pages, beside our own, that may call. */
  readonly allowedOrigins: readonly string[];
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];
/** Probes name the pod's address, whatever it is, and learn nothing that is worth hiding. */
const UNGUARDED = new Set(['/healthz', '/readyz']);

/**
 * Refuses requests whose `Host` is not ours: a page on the web can have its own name resolve to this machine (DNS
 * rebinding), and then names it. Refuses web pages of other origins, whatever they ask.
 * @throws ApiError TM_HOST_UNKNOWN, TM_ORIGIN_FORBIDDEN
 */
export function guard(config: GuardConfig): (request: FastifyRequest, reply: FastifyReply) => void {
  const bound = config.host.includes(':') ? `[${config.host}]` : config.host;
  const hosts = new Set([...LOOPBACK_NAMES, bound, ...config.allowedHosts].map((name) => name.toLowerCase()));
  for (const wildcard of ['0.0.0.0', '[::]']) hosts.delete(wildcard);
  const origins = new Set(config.allowedOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, '')));
  return (request, reply) => {
    const host = (request.headers.host ?? '').toLowerCase();
    const name = host.replace(/:\d{1,5}$/, '');
    if (!hosts.has(name) && !hosts.has(host) && !UNGUARDED.has(request.routeOptions.url ?? ''))
      throw new ApiError(
        'TM_HOST_UNKNOWN',
        'The host name of the request is not one of this server.',
        'Add it to api.allowed_hosts.',
      );
    const origin = request.headers.origin?.toLowerCase();
    if (origin === undefined || origin === `http://${host}` || origin === `https://${host}`) return;
    if (!origins.has(origin))
      throw new ApiError(
        'TM_ORIGIN_FORBIDDEN',
        'The request comes from a web page of another origin.',
        'Add it to api.allowed_origins where it is yours.',
      );
    reply.header('access-control-allow-origin', request.headers.origin).header('vary', 'origin');
  };
}

/** Sent with every answer: it is data, never a page, and belongs in no cache and no frame. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
