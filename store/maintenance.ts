import { type Clock, systemClock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { sleep } from '../core/retry.ts';
import type { EventLog } from '../eventlog/port.ts';
import { partitionsAt } from '../schemas/partition.ts';
import type { Store, StoreClient } from './client.ts';
import { applyRetention, daysOfMonth, monthBefore, type RetentionOptions } from './retention.ts';
import { checkSeals, type Day, type SealedDay, sealClosedDays } from './seal.ts';
import { boundSystemLogs } from './system-logs.ts';

export interface MaintenanceOptions {
  readonly store: Store;
  readonly eventLog: EventLog;
  readonly log: Log;
  readonly retention: RetentionOptions;
  /** Told of each recorded day that was sealed. */
  readonly onSealed?: (sealed: SealedDay) => void;
  readonly clock?: Clock;
  /** How often to look for closed days, milliseconds. */
  readonly everyMs?: number;
}

export interface MaintenanceStats {
  readonly sealedDays: number;
  /** Sealed days whose rollup differs from their rows, at the last check: an alarm when not 0. */
  readonly differences: number;
  readonly lastRunMs: number;
  readonly lastError: string | null;
}

export interface Maintenance {
  stats(): MaintenanceStats;
  /** Waits for the run under way. */
  close(): Promise<void>;
}

/** Sealing a large day may take long; nothing waits for it. */
const MAX_EXECUTION_S = 900;
/** How far back the nightly check goes, days. */
const CHECK_DAYS = 35;

/**
 * Seals recorded days as they close; once a UTC day checks the seals and applies retention. Several processes may do
 * this at once: each step gives the same when done twice.
 */
export function startMaintenance(options: MaintenanceOptions): Maintenance {
  const { store, eventLog, log, retention } = options;
  const clock = options.clock ?? systemClock;
  const stop = new AbortController();
  const stats = { sealedDays: 0, differences: 0, lastRunMs: 0, lastError: null as string | null };
  let nightlyDone: Day | null = null;

  const run = async (client: StoreClient): Promise<void> => {
    const nowMs = clock.nowMs();
    const shape = {
      logId: await eventLog.logId(),
      partitions: partitionsAt(await eventLog.schedule(), nowMs),
    };
    stats.sealedDays += (await sealClosedDays(client, shape, log, options.onSealed)).length;
    const today = new Date(nowMs).toISOString().slice(0, 10);
    if (nightlyDone === today) return;
    if (nightlyDone === null) await boundSystemLogs(client, log);
    const oldestMonth = daysOfMonth(monthBefore(nowMs, retention.callsMonths)).from;
    const from = new Date(nowMs - CHECK_DAYS * 86_400_000).toISOString().slice(0, 10);
    const differences = await checkSeals(client, {
      from: [from, oldestMonth].sort()[1]!,
      to: today,
    });
    stats.differences = differences.length;
    for (const difference of differences) log.error(difference, 'a sealed day differs from its rows');
    await applyRetention(client, retention, nowMs, log);
    nightlyDone = today;
  };

  const loop = async (): Promise<void> => {
    let client: StoreClient | null = null;
    while (!stop.signal.aborted) {
      try {
        client ??= await store.newClient({ maxExecutionS: MAX_EXECUTION_S });
        await run(client);
        stats.lastError = null;
      } catch (error) {
        stats.lastError = messageOf(error);
        log.error({ err: error }, 'store maintenance failed; it is tried again');
      }
      stats.lastRunMs = clock.nowMs();
      await sleep(options.everyMs ?? 60_000, stop.signal);
    }
    await client?.close();
  };
  const done = loop();
  return {
    stats: () => ({ ...stats }),
    close: async () => {
      stop.abort();
      await done;
    },
  };
}
