import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { ToolmeterError } from '../../core/errors.ts';
import { ClickHouseException } from './exception.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

const isLoopback = (host: string): boolean =>
  host === '::1' || host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.'));

export interface Door {
  readonly host: string;
  readonly user: string;
  /** Null: none is asked, and only this machine is served. */
  readonly key: string | null;
}

/** @throws ToolmeterError TM_STORE_CONFIG where the address is open to others and no key is set */
export function checkDoor({ host, key }: Door): void {
  if (key === '')
    throw new ToolmeterError(
      'TM_STORE_CONFIG',
      'The key of the ClickHouse endpoint is empty.',
      'Set a longer one.',
    );
  if (key === null && !isLoopback(host))
    throw new ToolmeterError(
      'TM_STORE_CONFIG',
      `The ClickHouse endpoint listens on ${host}, which others can reach, and has no key.`,
      'Set its key, or listen on 127.0.0.1.',
    );
}

/**
 * Refuses what a web page sends: one can reach loopback, by an Origin of its own or by a name that it makes point here.
 * @throws ClickHouseException ACCESS_DENIED
 */
export function checkOrigin(headers: IncomingHttpHeaders, { key }: Door): void {
  if (headers.origin !== undefined || ['cross-site', 'same-site'].includes(String(headers['sec-fetch-site'])))
    throw new ClickHouseException('ACCESS_DENIED', 'Requests of web pages are not answered');
  const name = (headers.host ?? '').replace(/:\d{1,5}$/, '').toLowerCase();
  if (key === null && !LOOPBACK.has(name) && !isLoopback(name))
    throw new ClickHouseException('ACCESS_DENIED', 'The Host is not this machine');
}

/** @throws ClickHouseException AUTHENTICATION_FAILED */
export function checkKey(asked: { readonly user: string; readonly key: string }, door: Door): void {
  // Both are compared whatever the first says: the time tells nothing.
  const user = same(asked.user, door.user);
  const key = same(asked.key, door.key ?? '');
  if (!user || !key)
    throw new ClickHouseException(
      'AUTHENTICATION_FAILED',
      'Authentication failed: password is incorrect, or there is no user with such name.',
    );
}

function same(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
