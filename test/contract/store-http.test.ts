import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverStore } from '../support/clickhouse.ts';
import { faultyStoreServer } from '../support/store-server.ts';
import { storeContract } from './store.ts';

/** The client's server side against the embedded engine behind ClickHouse's wire protocol. */
storeContract('over HTTP', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-http-'));
  const server = await faultyStoreServer(join(folder, 'store'));
  const test = await serverStore(server.url, {});
  return {
    ...test,
    close: async () => {
      await test.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
