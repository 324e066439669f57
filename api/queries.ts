import type {
  CallDetail,
  CallsFilter,
  CallsResult,
  CompletenessFilter,
  CompletenessResult,
  DeadLettersFilter,
  DeadLettersResult,
  Inventory,
  InventoryFilter,
  InventoryResults,
  LatencyFilter,
  LatencyResult,
  SpendFilter,
  SpendResult,
} from '../schemas/api.ts';
import type { Store, StoreClient } from '../store/client.ts';
import * as ask from '../store/queries/index.ts';
import { registry } from '../telemetry/metrics.ts';
import { ApiError, NARROW } from './problem.ts';

/** What the API asks the store. All reject with `TM_STORE_UNAVAILABLE` where it is not ready. */
export interface StoreQueries {
  spend(filter: SpendFilter): Promise<SpendResult>;
  calls(filter: CallsFilter): Promise<CallsResult>;
  call(id: string): Promise<CallDetail | null>;
  latency(filter: LatencyFilter): Promise<LatencyResult>;
  inventory<I extends Inventory>(of: I, filter: InventoryFilter): Promise<InventoryResults[I]>;
  completeness(filter: CompletenessFilter): Promise<CompletenessResult>;
  deadLetters(filter: DeadLettersFilter): Promise<DeadLettersResult>;
  close(): Promise<void>;
}

export interface QueriesOptions {
  /** Clients, each of which runs one statement at a time. Default 4. */
  readonly clients?: number;
  /** Queries that may wait for a client; one more is refused (`TM_BUSY`). Default 64. */
  readonly maxWaiting?: number;
  /** Longest time from asking to the answer, milliseconds. Default: the store's own limit of a statement, 30 s. */
  readonly timeoutMs?: number;
}

/**
 * The queries over a few clients of a store, so that one slow report does not hold up every other answer. A store that
 * is not there yet is given by how to open it: that is tried with each query until it succeeds, and `close` closes it.
 */
export function openQueries(
  source: Store | (() => Promise<Store>),
  options: QueriesOptions = {},
): StoreQueries {
  const { clients: size = 4, maxWaiting = 64, timeoutMs = 30_000 } = options;
  const pool: { client: Promise<StoreClient>; busy: number }[] = [];

  let opened: Promise<Store> | null = null;
  const store = (): Promise<Store> => {
    if (typeof source !== 'function') return Promise.resolve(source);
    opened ??= source().catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };

  const pick = (): (typeof pool)[number] => {
    const idle = pool.find((slot) => slot.busy === 0);
    if (idle !== undefined) return idle;
    if (pool.length < size) {
      const slot = { client: store().then((it) => it.newClient()), busy: 0 };
      // A client that could not be made leaves the pool, so that the next query tries anew.
      slot.client.catch(() => {
        if (pool.includes(slot)) pool.splice(pool.indexOf(slot), 1);
      });
      pool.push(slot);
      return slot;
    }
    return pool.reduce((least, slot) => (slot.busy < least.busy ? slot : least));
  };

  const run = async <T>(query: string, work: (client: StoreClient) => Promise<T>): Promise<T> => {
    const inHand = pool.reduce((sum, slot) => sum + slot.busy, 0);
    if (inHand >= size + maxWaiting)
      throw new ApiError('TM_BUSY', `${inHand} queries are in hand.`, 'Try again in a few seconds.');
    const slot = pick();
    slot.busy++;
    const begun = performance.now();
    // The slot is free when the statement has ended, which may be after its time was up.
    const answer = slot.client.then(work).finally(() => slot.busy--);
    try {
      return await within(answer, timeoutMs);
    } finally {
      registry.observe('toolmeter.store.query.duration', { query }, (performance.now() - begun) / 1000);
    }
  };

  return {
    spend: (filter) => run('spend', (client) => ask.spend(client, filter)),
    calls: (filter) => run('calls', (client) => ask.calls(client, filter)),
    call: (id) => run('call', (client) => ask.call(client, id)),
    latency: (filter) => run('latency', (client) => ask.latency(client, filter)),
    inventory: (of, filter) => run(of, (client) => ask.inventory(client, of, filter)),
    completeness: (filter) => run('completeness', (client) => ask.completeness(client, filter)),
    deadLetters: (filter) => run('dead_letters', (client) => ask.deadLetters(client, filter)),
    close: async () => {
      const made = await Promise.allSettled(pool.splice(0).map((slot) => slot.client));
      for (const client of made) if (client.status === 'fulfilled') await client.value.close();
      await (await opened?.catch(() => null))?.close();
    },
  };
}

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new ApiError('TM_QUERY_TIMEOUT', `No answer within ${timeoutMs / 1000} s.`, NARROW)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
