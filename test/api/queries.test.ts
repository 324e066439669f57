import { expect, test } from 'vitest';
import { openQueries } from '../../api/queries.ts';
import { Slots } from '../../api/slots.ts';
import type { CompletenessFilter } from '../../schemas/api.ts';
import type { Store, StoreClient } from '../../store/client.ts';
import { StoreError } from '../../store/errors.ts';

/** A store whose statements end when they are told to. */
function heldStore() {
  const held: (() => void)[] = [];
  let clients = 0;
  let closed = 0;
  const store: Store = {
    kind: 'embedded',
    database: 'x',
    newClient: async () => {
      clients++;
      return {
        kind: 'embedded',
        query: () => new Promise((resolve) => held.push(() => resolve([]))),
        command: async () => undefined,
        insert: async () => undefined,
        close: async () => {
          closed++;
        },
      } as StoreClient;
    },
    close: async () => {
      closed += 100;
    },
  };
  const release = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      for (const end of held.splice(0)) end();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { store, held, release, counts: () => ({ clients, closed }) };
}

const filter: CompletenessFilter = { limit: 1 };
const settled = async (promise: Promise<unknown>) => {
  try {
    await promise;
    return 'answered';
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).constructor.name;
  }
};

test('queries run beside each other on a few clients; beyond what may wait they are refused', async () => {
  const { store, held, release, counts } = heldStore();
  const queries = openQueries(store, { clients: 2, maxWaiting: 1 });
  const asked = [1, 2, 3].map(() =>
    settled(queries.deadLetters({ from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', limit: 1 })),
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(held.length).toBeGreaterThanOrEqual(2);
  expect(await settled(queries.completeness(filter))).toBe('TM_BUSY');
  await release();
  expect(await Promise.all(asked)).toEqual(['answered', 'answered', 'answered']);
  expect(counts().clients).toBe(2);
  await queries.close();
  expect(counts().closed).toBe(2);
});

test('a query that takes too long is answered so, and its client is not free until it has ended', async () => {
  const { store, release } = heldStore();
  const queries = openQueries(store, { clients: 1, maxWaiting: 0, timeoutMs: 20 });
  const range = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', limit: 1 };
  expect(await settled(queries.deadLetters(range))).toBe('TM_QUERY_TIMEOUT');
  expect(await settled(queries.deadLetters(range))).toBe('TM_BUSY');
  await release();
  const again = settled(queries.deadLetters(range));
  await release();
  expect(await again).toBe('answered');
});

test('a store that is not there yet is tried with each query, and closed by who opened it', async () => {
  const { store, release, counts } = heldStore();
  let tries = 0;
  const queries = openQueries(async () => {
    if (++tries < 3) throw new StoreError('TM_STORE_UNAVAILABLE', 'x', '');
    return store;
  });
  const range = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', limit: 1 };
  for (let i = 0; i < 2; i++) expect(await settled(queries.deadLetters(range))).toBe('TM_STORE_UNAVAILABLE');
  const third = settled(queries.deadLetters(range));
  await release();
  expect(await third).toBe('answered');
  expect(tries).toBe(3);
  await queries.close();
  expect(counts().closed).toBe(101);
});

test('places are handed out in the order of asking', async () => {
  const slots = new Slots(1);
  const order: string[] = [];
  const release = await slots.take();
  const others = ['a', 'b'].map(async (name) => {
    const give = await slots.take();
    order.push(name);
    give();
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual([]);
  release();
  await Promise.all(others);
  expect(order).toEqual(['a', 'b']);
  (await slots.take())();
});
