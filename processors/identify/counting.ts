import { fold } from '../../core/fold.ts';
import type { Vantage } from '../../schemas/call-event.ts';
import type { Config } from '../../schemas/config.ts';

/** Which vantage point's observations of a server count. */
export interface CountingPolicy {
  vantageFor(server: string): Vantage;
}

/**
 * The `counting` section as a policy. Server side is the gateway where it fronts the server, unless that server is
 * metered itself. Names are compared folded; the configuration has no two that are the same one.
 */
export function countingPolicy(config: Config['counting']): CountingPolicy {
  const byServer = new Map<string, Vantage>();
  for (const [name, { by, gateway, metered }] of Object.entries(config.servers))
    byServer.set(fold(name), by === 'client' ? 'client' : gateway && !metered ? 'gateway' : 'server');
  const other: Vantage = config.default === 'client' ? 'client' : 'server';
  return { vantageFor: (server) => byServer.get(fold(server)) ?? other };
}

/**
 * Whether an observation is the one that counts in calls and cost. Policy alone decides, by what can't be lost, late
 * or forged on the way: the vantage point and the server's name. A `meter` inside a `wrap` (`nested`) never counts:
 * the wrap does. Nor does an `interim` ending: the call goes on in another request, which will count.
 */
export function counts(
  observation: { vantage: Vantage; server: string; nested: boolean; outcome: string },
  policy: CountingPolicy,
): boolean {
  return (
    !observation.nested &&
    observation.outcome !== 'interim' &&
    observation.vantage === policy.vantageFor(observation.server)
  );
}
