import { systemClock } from '../../core/clock.ts';
import { MAX_AHEAD_MS } from '../../processors/admit.ts';
import { openDirectory } from '../../processors/attribute/index.ts';
import { attributeStage } from '../../processors/attribute/stage.ts';
import { openCatalog } from '../../processors/cost/index.ts';
import { costStage } from '../../processors/cost/stage.ts';
import { identifyStage } from '../../processors/identify/stage.ts';
import { pipeline } from '../../processors/pipeline.ts';
import { BATCH, PROCESSOR_GROUP, processor } from '../../processors/processor.ts';
import { createScrubber } from '../../processors/scrub/index.ts';
import { scrubStage } from '../../processors/scrub/stage.ts';
import { createTokenCounter } from '../../processors/tokens/index.ts';
import { tokensStage } from '../../processors/tokens/stage.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { registry } from '../../telemetry/metrics.ts';
import { observeProcessed } from '../../telemetry/observe.ts';
import { watchReloads } from '../../telemetry/watch.ts';
import { ensureTopics, openLog } from './log.ts';
import type { Role, RoleContext } from './role.ts';
import { Skips } from './skips.ts';

const DAY_MS = 86_400_000;

/** Raw records → calls: joins the processors' group and works on what it is given. */
export async function startProcessor({ settings, home, log }: RoleContext): Promise<Role> {
  const { config } = settings;
  const skips = new Skips();
  // What is processed can be processed again, and the sink commits FULL before it inserts: by then this is on disk too.
  const eventLog = await openLog(settings, home, log, {
    synchronous: 'NORMAL',
    onSkipped: skips.tell,
  });
  await ensureTopics(eventLog, settings, log);
  const directory = openDirectory(config.directory, { log });
  const catalog = openCatalog(config.prices, { log });
  const stages = pipeline({
    identify: identifyStage(config.counting),
    attribute: attributeStage(directory),
    tokens: tokensStage(createTokenCounter()),
    cost: costStage(catalog),
    scrub: scrubStage(createScrubber({ key: home.keys.pseudonym })),
  });
  const unwatch = [
    watchReloads(registry, 'directory', () => directory.counts()),
    watchReloads(registry, 'prices', () => catalog.counts()),
  ];
  let lastError: string | null = null;
  const subscription = eventLog.subscribe(
    PROCESSOR_GROUP,
    TOPICS.raw,
    processor({
      stages,
      batch: BATCH[eventLog.kind],
      admit: { maxAheadMs: MAX_AHEAD_MS, maxAgeMs: config.retention.accept_past_days * DAY_MS },
      clock: systemClock,
      log,
      onBatch: (report) => {
        lastError = null;
        observeProcessed(report, systemClock.nowMs());
      },
    }),
    {
      onError: (error, partition) => {
        lastError = `partition ${partition}: ${(error as Error).message}`;
        log.error({ partition, code: (error as { code?: string }).code }, lastError);
      },
    },
  );
  return {
    status: () => [
      {
        name: 'processor',
        ok: lastError === null,
        detail: (lastError ?? `partitions ${subscription.partitions().join(', ')}`) + skips.note(),
      },
      { name: 'directory', ...directory.status() },
      { name: 'prices', ...catalog.status() },
    ],
    stop: async () => {
      await subscription.close();
      for (const stop of unwatch) stop();
      directory.close();
      catalog.close();
      await eventLog.close();
    },
  };
}
