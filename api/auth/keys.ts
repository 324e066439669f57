import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { type Clock, systemClock } from '../../core/clock.ts';
import { CredentialFile, hashSecret, newSecret, secretFits } from '../../core/credential-file.ts';
import { ToolmeterError } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import { type Principal, ROLES, type Role } from './policy.ts';

const ApiKeySchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  name: z.string().min(1).max(128),
  role: z.enum(ROLES),
  /** Only calls of these teams; null: all. */
  teams: z.array(z.string()).min(1).max(1000).nullable(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.iso.datetime(),
  /** From then on it opens nothing. */
  expires_at: z.iso.datetime().nullable(),
});
type StoredKey = z.infer<typeof ApiKeySchema>;

/** A key as it is listed: without its hash. */
export type ApiKeyInfo = Omit<StoredKey, 'hash'>;

export interface NewApiKey {
  readonly name: string;
  readonly role: Role;
  readonly teams?: readonly string[] | null;
  readonly expiresAt?: Date | null;
}

export interface ApiKeys {
  /** Makes a key. `key` (`tmk_<id>_<secret>`) is shown this once: only its hash is kept. */
  create(key: NewApiKey): { readonly key: string; readonly info: ApiKeyInfo };
  list(): ApiKeyInfo[];
  /** @returns whether there was such a key. Takes effect in other processes within a second. */
  revoke(id: string): boolean;
  /** Who holds this key, or null where it is no key, not ours, revoked or expired. */
  authenticate(key: string): Principal | null;
}

const KEY = /^tmk_([0-9a-f]{16})_([0-9a-f]{48})$/;
/** Compared with where there is no such id, so that both answers take the same time. */
const NO_HASH = hashSecret('');

/** The API keys of a home folder (`api-keys.json`). */
export function openApiKeys(homePath: string, clock: Clock = systemClock, log: Log = silentLog): ApiKeys {
  const file = new CredentialFile(join(homePath, 'api-keys.json'), ApiKeySchema, clock, log);
  return {
    create({ name, role, teams = null, expiresAt = null }) {
      const id = randomBytes(8).toString('hex');
      const secret = newSecret();
      const stored = ApiKeySchema.safeParse({
        id,
        name,
        role,
        teams: teams === null ? null : [...teams],
        hash: hashSecret(secret),
        created_at: new Date(clock.nowMs()).toISOString(),
        expires_at: expiresAt?.toISOString() ?? null,
      });
      if (!stored.success) {
        const issue = stored.error.issues[0];
        throw new ToolmeterError(
          'TM_API_KEY',
          `The key can't be made: ${issue?.path.join('.')}: ${issue?.message}.`,
          `A key has a name, a role (${ROLES.join(', ')}) and, if it is restricted, at least one team.`,
        );
      }
      file.update((keys) => [...keys, stored.data]);
      return { key: `tmk_${id}_${secret}`, info: withoutHash(stored.data) };
    },
    list: () => file.entries().map(withoutHash),
    revoke(id) {
      const known = file.entries().some((key) => key.id === id);
      if (known) file.update((keys) => keys.filter((key) => key.id !== id));
      return known;
    },
    authenticate(text) {
      const [, id, secret] = KEY.exec(text) ?? [];
      if (id === undefined || secret === undefined) return null;
      const key = file.entries().find((entry) => entry.id === id);
      const fits = secretFits(secret, key?.hash ?? NO_HASH);
      if (key === undefined || !fits) return null;
      if (key.expires_at !== null && Date.parse(key.expires_at) <= clock.nowMs()) return null;
      return { id: key.id, role: key.role, teams: key.teams };
    },
  };
}

const withoutHash = ({ hash: _, ...info }: StoredKey): ApiKeyInfo => info;
