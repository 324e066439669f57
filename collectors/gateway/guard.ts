import { BlockList, isIP } from 'node:net';
import { parseCidr } from '../../schemas/directory.ts';

export interface GuardOptions {
  /** Where the gateway is bound. */
  readonly host: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Why a request may not be served, by what its Host and Origin say, or undefined. A page on the web can have its own
 * name resolve to this machine (DNS rebinding) and then names it as host; other pages name themselves as origin.
 */
export function openGuard(
  options: GuardOptions,
): (host: string | undefined, origin: string | undefined) => 'host' | 'origin' | undefined {
  const bound = options.host.includes(':') ? `[${options.host}]` : options.host;
  const hosts = new Set(
    [...LOOPBACK_NAMES, bound, ...options.allowedHosts].map((name) => name.toLowerCase()),
  );
  for (const wildcard of ['0.0.0.0', '[::]']) hosts.delete(wildcard);
  const origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, '')));
  return (hostHeader, originHeader) => {
    const host = (hostHeader ?? '').toLowerCase();
    if (!hosts.has(host.replace(/:\d{1,5}$/, '')) && !hosts.has(host)) return 'host';
    const origin = originHeader?.toLowerCase();
    if (origin === undefined || origins.has(origin)) return undefined;
    return origin === `http://${host}` || origin === `https://${host}` ? undefined : 'origin';
  };
}

/**
 * The client's address: the socket's, or where that is a trusted proxy's, the last address of X-Forwarded-For that is
 * none. What a client wrote there itself stands before it and is not reached.
 */
export function openClientAddress(
  trusted: readonly string[],
): (socket: string | undefined, forwardedFor: string | undefined) => string | undefined {
  const list = new BlockList();
  for (const range of trusted) {
    const parsed = parseCidr(range);
    if (parsed !== null) list.addSubnet(parsed.address, parsed.prefix, parsed.family);
  }
  const isTrusted = (ip: string): boolean => list.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4');
  return (socket, forwardedFor) => {
    let address = plain(socket);
    if (trusted.length === 0 || address === undefined || forwardedFor === undefined) return address;
    const hops = forwardedFor.split(',').slice(-MAX_HOPS);
    while (isTrusted(address)) {
      const next = plain(hops.pop()?.trim());
      if (next === undefined || isIP(next) === 0) return address;
      address = next;
    }
    return address;
  };
}

const MAX_HOPS = 32;

/** An IPv4 client of a socket that listens on IPv6 too is itself. */
const plain = (ip: string | undefined): string | undefined =>
  ip?.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip;
