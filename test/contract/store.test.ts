import { describe, it } from 'vitest';
import { embeddedStore, serverStore } from '../support/clickhouse.ts';
import { storeContract } from './store.ts';
import { sealContract } from './store-seal.ts';

storeContract('embedded', embeddedStore);
sealContract('embedded', embeddedStore);

const url = process.env.CLICKHOUSE_URL;
if (url !== undefined && url !== '') {
  storeContract('server', () => serverStore(url));
  sealContract('server', () => serverStore(url));
} else {
  console.warn('SKIPPED: the store contract on a ClickHouse server. Set CLICKHOUSE_URL to run it.');
  describe('store: server', () => {
    it.skip('CLICKHOUSE_URL is not set', () => undefined);
  });
}
