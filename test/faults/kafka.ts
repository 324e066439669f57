import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { random } from '../../bench/load.ts';
import { openLog } from '../../cli/roles/log.ts';
import { openConfiguredStore, startStore } from '../../cli/roles/store.ts';
import { loadSettings } from '../../cli/settings.ts';
import { openHome } from '../../core/home.ts';
import { silentLog } from '../../core/log.ts';
import { sleep } from '../../core/retry.ts';
import { PROCESSOR_GROUP } from '../../processors/processor.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { makeLogger } from '../../telemetry/logger.ts';
import { type RunningKafka, startKafka } from '../support/kafka/index.ts';
import { type RunningProcess, scratchFolder, startToolmeter } from '../support/toolmeter.ts';
import { type FaultOptions, type FaultResult, startGenerator } from './embedded.ts';
import { isWhole, tally } from './tally.ts';
import { FAULT_PRICES, readTruth } from './truth.ts';

const SETTLE_MS = 180_000;
/** A collector for each partition, about: a lane is bound to one. */
const COLLECTORS = 6;

/**
 * Two processors over six partitions of a real Kafka, one sink, several collectors; processor, sink and broker are
 * killed in turn at random moments while calls of known cost flow.
 */
export async function kafkaFaults(options: FaultOptions, running?: RunningKafka): Promise<FaultResult> {
  const { calls, kills, perSecond, report } = options;
  const next = random(options.seed);
  const scratch = scratchFolder('toolmeter-faults-');
  const kafka = running ?? (await startKafka());
  const prices = join(scratch.path, 'prices.yaml');
  writeFileSync(prices, FAULT_PRICES);
  const env = {
    TOOLMETER_HOME: join(scratch.path, 'home'),
    KAFKA_BROKERS: kafka.brokers.join(','),
    TOOLMETER_LOG_PARTITIONS: '6',
    TOOLMETER_PRICES: prices,
    TOOLMETER_TELEMETRY_LEVEL: 'warn',
  };
  const start = (only: string): RunningProcess => startToolmeter(['process', '--only', only], env);
  const processes: Record<string, RunningProcess> = {
    first: start('processor'),
    second: start('processor'),
    sink: start('store'),
  };
  const roles: Record<string, string> = { first: 'processor', second: 'processor', sink: 'store' };
  const truthFiles: string[] = [];
  try {
    const each = Math.ceil(calls / COLLECTORS);
    const collectors = Array.from({ length: COLLECTORS }, (_, i) => {
      const truth = join(scratch.path, `truth-${i}`);
      truthFiles.push(truth);
      return once(
        startGenerator([truth, String(i * each), String(each), String(perSecond / COLLECTORS)], {
          ...env,
          FAULTS_LAST: '1',
        }),
        'exit',
      );
    });
    const pauseMs = ((calls / perSecond) * 1000) / (kills + 1);
    for (let kill = 0; kill < kills; kill++) {
      await sleep(pauseMs * (0.5 + next()));
      const victim = ['first', 'sink', 'broker', 'second'][kill % 4] as string;
      if (victim === 'broker') {
        if (!kafka.own) continue;
        await kafka.kill();
        await sleep(next() * 2_000);
        await kafka.restart();
      } else {
        await processes[victim]?.kill();
        processes[victim] = start(roles[victim] as string);
      }
      report(`kill ${kill + 1} of ${kills}: ${victim}`);
    }
    await Promise.all(collectors);
    report('collectors are done');
    await processes.sink?.kill();
    await settle(env, readTruth(truthFiles).committed.size, report);
    const result = { kills, collectorKills: 0, ...(await tally(env, truthFiles)) };
    if (!isWhole(result)) {
      await positions(env, report);
      for (const [name, running] of Object.entries(processes)) report(`${name}: ${running.output()}`);
    }
    return result;
  } catch (error) {
    for (const [name, running] of Object.entries(processes)) report(`${name}: ${running.output()}`);
    throw error;
  } finally {
    await Promise.all(Object.values(processes).map((running) => running.kill()));
    await kafka.stop();
    scratch.remove();
  }
}

/** Says how far each group is in each partition: where what is missing waits. */
async function positions(env: Record<string, string>, report: (line: string) => void): Promise<void> {
  const settings = loadSettings(null, env);
  const log = await openLog(settings, openHome(env.TOOLMETER_HOME as string), silentLog);
  for (const [topic, group] of [
    [TOPICS.raw, PROCESSOR_GROUP],
    [TOPICS.calls, 'toolmeter-sink'],
  ] as const) {
    for (let partition = 0; partition < 6; partition++) {
      const { high, committed } = await log.watermarks(topic, partition, group);
      report(`${topic} ${partition}: ${group} is at ${committed} of ${high}`);
    }
  }
  await log.close();
}

/** Runs the sink in this process until everything that is known to be committed is in the table and the ledger agrees. */
async function settle(
  env: Record<string, string>,
  atLeast: number,
  report: (line: string) => void,
): Promise<void> {
  const settings = loadSettings(null, env);
  const home = openHome(env.TOOLMETER_HOME as string);
  const log = makeLogger({ level: 'warn', to: { write: report } });
  const role = await startStore({ settings, home, log });
  const store = await openConfiguredStore(settings, home, log);
  const client = await store.newClient();
  const deadline = Date.now() + SETTLE_MS;
  try {
    for (;;) {
      const [row] = await client.query<{ rows: string; landed: string }>(
        'SELECT (SELECT count() FROM calls) AS rows, (SELECT sum(landed) FROM completeness FINAL) AS landed',
      );
      if (Number(row?.rows) >= atLeast && Number(row?.landed) >= atLeast) return;
      if (Date.now() > deadline) {
        report(`still ${row?.rows} of ${atLeast} rows after ${SETTLE_MS / 1000} s`);
        return;
      }
      await sleep(500);
    }
  } finally {
    await store.close();
    await role.stop();
  }
}
