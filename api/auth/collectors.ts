import { join } from 'node:path';
import { z } from 'zod';
import { type Clock, systemClock } from '../../core/clock.ts';
import { CredentialFile, hashSecret, secretFits } from '../../core/credential-file.ts';
import { ToolmeterError } from '../../core/errors.ts';
import { collectorIdOf, newCollectorToken } from '../../core/home.ts';
import { type Log, silentLog } from '../../core/log.ts';

const CollectorSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-z-]{1,64}$/),
  name: z.string().min(1).max(128),
  /** Whether it may say `verified` of a caller, and report a cost. */
  trusted: z.boolean(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.iso.datetime(),
});
type StoredCollector = z.infer<typeof CollectorSchema>;
export type CollectorInfo = Omit<StoredCollector, 'hash'>;

/** What the credential behind a post is worth: the collector whose numbers it may advance, and its trust. */
export interface CollectorCredential {
  readonly collector: string;
  readonly trusted: boolean;
}

export interface Collectors {
  /** Enrols a collector; with a token of its own, or a new one. `token` is shown this once. */
  enrol(collector: { name: string; trusted: boolean; token?: string }): {
    readonly token: string;
    readonly info: CollectorInfo;
  };
  list(): CollectorInfo[];
  /** @returns whether there was such a collector. */
  revoke(id: string): boolean;
  /** Whose token this is, or null where it is none that is enrolled. */
  authenticate(token: string): CollectorCredential | null;
}

/** The collector id of whoever holds the brokers' credentials (`schemas/record.ts`): no token may carry it. */
const BROKER = 'broker';

const NO_HASH = hashSecret('');

/** The collectors of a home folder (`collectors.json`). */
export function openCollectors(
  homePath: string,
  clock: Clock = systemClock,
  log: Log = silentLog,
): Collectors {
  const file = new CredentialFile(join(homePath, 'collectors.json'), CollectorSchema, clock, log);
  return {
    enrol({ name, trusted, token = newCollectorToken() }) {
      const id = collectorIdOf(token);
      if (id === null || id === BROKER)
        throw new ToolmeterError(
          'TM_COLLECTOR_TOKEN',
          "The text is not a collector's token.",
          'A token reads tmc_<id>_<48 hexadecimal digits>.',
        );
      const stored: StoredCollector = CollectorSchema.parse({
        id,
        name,
        trusted,
        hash: hashSecret(token),
        created_at: new Date(clock.nowMs()).toISOString(),
      });
      file.update((collectors) => [...collectors.filter((entry) => entry.id !== id), stored]);
      return { token, info: withoutHash(stored) };
    },
    list: () => file.entries().map(withoutHash),
    revoke(id) {
      const known = file.entries().some((entry) => entry.id === id);
      if (known) file.update((collectors) => collectors.filter((entry) => entry.id !== id));
      return known;
    },
    authenticate(token) {
      const id = collectorIdOf(token);
      if (id === null) return null;
      const collector = file.entries().find((entry) => entry.id === id);
      const fits = secretFits(token, collector?.hash ?? NO_HASH);
      return collector === undefined || !fits ? null : { collector: id, trusted: collector.trusted };
    },
  };
}

/**
 * The collectors of a home folder, with the machine's own token enrolled as trusted: whoever can read the folder is
 * the user whose machine it is. A token that an administrator enrolled stays as it is.
 */
export function openOwnCollectors(
  home: { readonly path: string; readonly collectorToken: string },
  clock: Clock = systemClock,
  log: Log = silentLog,
): Collectors {
  const collectors = openCollectors(home.path, clock, log);
  if (collectors.authenticate(home.collectorToken) === null)
    collectors.enrol({ name: 'this machine', trusted: true, token: home.collectorToken });
  return collectors;
}

const withoutHash = ({ hash: _, ...info }: StoredCollector): CollectorInfo => info;
