import type { FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { authenticator } from '../../api/auth/authenticate.ts';
import type { Collectors } from '../../api/auth/collectors.ts';
import type { ApiKeys } from '../../api/auth/keys.ts';

/** No credential is known here: who reads, reads without one. */
const nobody = { authenticate: () => null } as unknown as ApiKeys & Collectors;
const request = (remoteAddress: string | undefined, headers: Record<string, string> = {}): FastifyRequest =>
  ({ socket: { remoteAddress }, headers }) as unknown as FastifyRequest;

test.each([
  ['127.0.0.1', {}, true],
  ['127.8.9.1', {}, true],
  ['::1', {}, true],
  ['::ffff:127.0.0.1', {}, true],
  ['10.0.0.7', {}, false],
  ['192.168.127.1', {}, false],
  ['::ffff:10.0.0.7', {}, false],
  ['fe80::1', {}, false],
  ['2001:db8::127.0.0.1', {}, false],
  [undefined, {}, false],
  ['127.0.0.1', { forwarded: 'for=10.0.0.7' }, false],
  ['127.0.0.1', { 'x-forwarded-for': '127.0.0.1' }, false],
  ['127.0.0.1', { 'x-real-ip': '127.0.0.1' }, false],
  ['::1', { via: '1.1 proxy' }, false],
  ['127.0.0.1', { authorization: '' }, false],
  ['127.0.0.1', { authorization: 'Bearer' }, false],
])('reading without a key from %s with %j: %s, and only embedded', (address, headers, allowed) => {
  expect(authenticator(nobody, nobody, true).may(request(address, headers), 'spend.read')).toBe(allowed);
  expect(authenticator(nobody, nobody, false).may(request(address, headers), 'spend.read')).toBe(false);
});

test('posting without a token from nowhere', () => {
  for (const address of ['127.0.0.1', '::1'])
    expect(() => authenticator(nobody, nobody, true).collector(request(address))).toThrow(
      expect.objectContaining({ code: 'TM_UNAUTHENTICATED' }),
    );
});
