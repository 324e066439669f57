import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../core/log.ts';
import { openStore, type Store, type StoreClient } from '../../store/client.ts';
import { migrate } from '../../store/migrate.ts';

export interface TestStore {
  readonly store: Store;
  readonly client: StoreClient;
  readonly folder: string;
  close(): Promise<void>;
}

/** An embedded, migrated store in a folder of its own; `close` removes it. One a process at a time. */
export async function embeddedStore(): Promise<TestStore> {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-store-'));
  const store = await openStore({ database: 'toolmeter', path: join(folder, 'store'), log: silentLog });
  const client = await store.newClient();
  await migrate(client, silentLog);
  return {
    store,
    client,
    folder,
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
