import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type Clock, systemClock } from '../../core/clock.ts';
import { CredentialFile, hashSecret, newSecret, secretFits } from '../../core/credential-file.ts';
import { ToolmeterError } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';

const KeySchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  /** Whose key it is; several may be one caller's, so that one can be replaced while the other is in use. */
  caller: z.string().min(1).max(512),
  team: z.string().min(1).max(512).nullable(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.iso.datetime(),
  /** From then on it opens nothing. */
  expires_at: z.iso.datetime().nullable(),
});
type StoredKey = z.infer<typeof KeySchema>;
export type CallerKeyInfo = Omit<StoredKey, 'hash'>;

/** Who calls, as far as the gateway knows it. */
export interface KnownCaller {
  readonly name: string;
  readonly team: string | null;
}

/** What a key is worth: the caller, or why it is nobody's. A revoked key is unknown: nothing of it is kept. */
export type Authenticated = { readonly caller: KnownCaller } | { readonly fault: KeyFault };
export type KeyFault = 'missing' | 'malformed' | 'unknown' | 'expired';

export interface CallerKeys {
  /** Makes a key. `key` (`tmg_<id>_<secret>`) is shown this once: only its hash is kept. @throws ToolmeterError */
  create(key: { caller: string; team?: string | null; expiresAt?: Date | null }): {
    readonly key: string;
    readonly info: CallerKeyInfo;
  };
  list(): CallerKeyInfo[];
  /** @returns whether there was such a key. Takes effect in other processes within a second. */
  revoke(id: string): boolean;
  authenticate(key: string): Authenticated;
}

const KEY = /^tmg_([0-9a-f]{16})_([0-9a-f]{48})$/;
/** Compared with where there is no such id, so that both answers take the same time. */
const NO_HASH = hashSecret('');

/** The callers' keys in a file: hashed, several valid at once, changes seen within a second. */
export function openCallerKeys(path: string, clock: Clock = systemClock, log: Log = silentLog): CallerKeys {
  const file = new CredentialFile(path, KeySchema, clock, log);
  let indexed: readonly StoredKey[] = [];
  let byId = new Map<string, StoredKey>();
  const find = (id: string): StoredKey | undefined => {
    const entries = file.entries();
    if (entries !== indexed) {
      indexed = entries;
      byId = new Map(entries.map((entry) => [entry.id, entry]));
    }
    return byId.get(id);
  };
  return {
    create({ caller, team = null, expiresAt = null }) {
      const id = randomBytes(8).toString('hex');
      const key = `tmg_${id}_${newSecret()}`;
      const stored = KeySchema.safeParse({
        id,
        caller,
        team,
        hash: hashSecret(key),
        created_at: new Date(clock.nowMs()).toISOString(),
        expires_at: expiresAt?.toISOString() ?? null,
      });
      if (!stored.success) {
        const issue = stored.error.issues[0];
        throw new ToolmeterError(
          'TM_GATEWAY_KEY',
          `The key can't be made: ${issue?.path.join('.')}: ${issue?.message}.`,
          'A key has a caller and may have a team, each of at most 512 characters.',
        );
      }
      file.update((keys) => [...keys, stored.data]);
      return { key, info: withoutHash(stored.data) };
    },
    list: () => file.entries().map(withoutHash),
    revoke(id) {
      const known = file.entries().some((key) => key.id === id);
      if (known) file.update((keys) => keys.filter((key) => key.id !== id));
      return known;
    },
    authenticate(text) {
      const id = KEY.exec(text)?.[1];
      if (id === undefined) return { fault: 'malformed' };
      const key = find(id);
      const fits = secretFits(text, key?.hash ?? NO_HASH);
      if (key === undefined || !fits) return { fault: 'unknown' };
      if (key.expires_at !== null && Date.parse(key.expires_at) <= clock.nowMs()) return { fault: 'expired' };
      return { caller: { name: key.caller, team: key.team } };
    },
  };
}

const withoutHash = ({ hash: _, ...info }: StoredKey): CallerKeyInfo => info;
