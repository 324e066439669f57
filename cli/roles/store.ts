import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Home } from '../../core/home.ts';
import type { Log } from '../../core/log.ts';
import { retry } from '../../core/retry.ts';
import { openStore, type Store } from '../../store/client.ts';
import { startMaintenance } from '../../store/maintenance.ts';
import { migrate } from '../../store/migrate.ts';
import { startSink } from '../../store/sink.ts';
import { registry } from '../../telemetry/metrics.ts';
import { observeInserted, observeRetry, observeSealed } from '../../telemetry/observe.ts';
import { readSecret, type Settings } from '../settings.ts';
import { ensureTopics, openLog } from './log.ts';
import type { Role, RoleContext } from './role.ts';
import { Skips } from './skips.ts';

/** The store that the configuration names: ClickHouse over HTTP, or the embedded engine under the home folder. */
export function openConfiguredStore({ config }: Settings, home: Home, log: Log): Promise<Store> {
  const { url, user, password, database } = config.store;
  return openStore({
    database,
    log,
    ...(url === undefined ? { path: home.store } : { url, user }),
    ...(password !== undefined && { password: readSecret(password) }),
  });
}

async function openMigrated(settings: Settings, home: Home, log: Log): Promise<Store> {
  const store = await openConfiguredStore(settings, home, log);
  try {
    const client = await store.newClient();
    await migrate(client, log);
    await client.close();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Calls → ClickHouse: migrates, joins the sink's groups, seals days as they close. */
export async function startStore({ settings, home, log }: RoleContext): Promise<Role> {
  const store = await retry(() => openMigrated(settings, home, log), {
    pauseMs: 500,
    maxPauseMs: 10_000,
    attempts: Number.POSITIVE_INFINITY,
    retryable: (error) => error instanceof ToolmeterError && error.code === 'TM_STORE_UNAVAILABLE',
    onRetry: (error, attempt) => log.warn({ attempt }, `waiting for the store: ${messageOf(error)}`),
  });
  const skips = new Skips();
  const eventLog = await openLog(settings, home, log, { onSkipped: skips.tell });
  await ensureTopics(eventLog, settings, log);
  let retries = 0;
  const sink = startSink({
    eventLog,
    store,
    log,
    onRange: observeInserted,
    onRetry: observeRetry,
  });
  const { content_days, calls_months } = settings.config.retention;
  const maintenance = startMaintenance({
    onSealed: observeSealed,
    store,
    eventLog,
    log,
    retention: {
      contentDays: content_days,
      callsMonths: calls_months,
      deadLetterDays: settings.config.log.dlq_retention_days,
    },
  });
  const unwatch = registry.onCollect(() =>
    registry.set('toolmeter.seal.differences', {}, maintenance.stats().differences),
  );
  return {
    status: () => {
      const { rows, retries: now, lastCommitMs } = sink.stats();
      const failing = now > retries;
      retries = now;
      const { differences, lastError } = maintenance.stats();
      return [
        {
          name: 'sink',
          ok: !failing,
          detail:
            (failing
              ? 'inserts fail and are tried again'
              : `${rows} rows, last at ${new Date(lastCommitMs).toISOString()}`) + skips.note(),
        },
        {
          name: 'seal',
          ok: lastError === null && differences === 0,
          detail:
            lastError ??
            (differences === 0
              ? 'sealed days equal their rows'
              : `${differences} sealed days differ from their rows`),
        },
      ];
    },
    stop: async () => {
      await sink.close();
      await maintenance.close();
      unwatch();
      await store.close();
      await eventLog.close();
    },
  };
}
