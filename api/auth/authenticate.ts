import type { FastifyRequest } from 'fastify';
import { ApiError } from '../problem.ts';
import type { CollectorCredential, Collectors } from './collectors.ts';
import type { ApiKeys } from './keys.ts';
import { isAllowed, type Permission, POLICY, type Principal } from './policy.ts';

/** The user at the machine itself. */
const LOOPBACK: Principal = { id: 'loopback', role: 'admin', teams: null };

export interface Authenticator {
  /** Who asks. @throws ApiError TM_UNAUTHENTICATED */
  principal(request: FastifyRequest): Principal;
  /** @throws ApiError TM_UNAUTHENTICATED, or TM_FORBIDDEN where the key's role may not */
  permit(request: FastifyRequest, permission: Permission): void;
  /** The collector that posts. @throws ApiError TM_UNAUTHENTICATED */
  collector(request: FastifyRequest): CollectorCredential;
  /** Whether the request could read with `permission`; asks without refusing. */
  may(request: FastifyRequest, permission: Permission): boolean;
}

/**
 * Reading takes an API key, or none where the store is embedded and the request comes from this machine directly (not
 * through a proxy, whose address would be the machine's own). Posting takes a collector's token, there too: any web
 * page can reach loopback.
 */
export function authenticator(keys: ApiKeys, collectors: Collectors, embedded: boolean): Authenticator {
  const principal = (request: FastifyRequest): Principal => {
    const credential = bearerOf(request);
    if (credential === null) {
      if (embedded && isDirectLoopback(request)) return LOOPBACK;
      throw new ApiError(
        'TM_UNAUTHENTICATED',
        'This path takes an API key.',
        'Send "authorization: Bearer tmk_…"; `toolmeter keys create` makes one.',
      );
    }
    const known = keys.authenticate(credential);
    if (known !== null) return known;
    throw new ApiError(
      'TM_UNAUTHENTICATED',
      credential.startsWith('tmc_')
        ? "A collector's token posts events; it does not read."
        : 'The API key is not known, revoked or expired.',
      '`toolmeter keys list` shows the keys that there are.',
    );
  };
  return {
    principal,
    permit(request, permission) {
      const who = principal(request);
      if (isAllowed(who, permission)) return;
      throw new ApiError(
        'TM_FORBIDDEN',
        who.teams === null
          ? `The role ${who.role} does not have ${permission}.`
          : `A key that is restricted to teams does not have ${permission}, or its role ${who.role} does not.`,
        `These roles have it: ${POLICY[permission].join(', ')}.`,
      );
    },
    collector(request) {
      const credential = bearerOf(request);
      const known = credential === null ? null : collectors.authenticate(credential);
      if (known !== null) return known;
      throw new ApiError(
        'TM_UNAUTHENTICATED',
        credential === null
          ? "Posting events takes a collector's token."
          : "The collector's token is not enrolled here, or was revoked.",
        'Send "authorization: Bearer tmc_…": the line in $TOOLMETER_HOME/collector-token, or an enrolled one.',
      );
    },
    may(request, permission) {
      try {
        return isAllowed(principal(request), permission);
      } catch (error) {
        if (error instanceof ApiError) return false;
        throw error;
      }
    },
  };
}

function bearerOf(request: FastifyRequest): string | null {
  const header = request.headers.authorization;
  if (header === undefined) return null;
  return /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(header)?.[1] ?? '';
}

const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const;

function isDirectLoopback(request: FastifyRequest): boolean {
  const address = request.socket.remoteAddress ?? '';
  const isLoopback = /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address) || address === '::1';
  return isLoopback && PROXY_HEADERS.every((name) => request.headers[name] === undefined);
}
