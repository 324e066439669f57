import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { random } from '../../bench/load.ts';
import { sleep } from '../../core/retry.ts';
import {
  freePort,
  type RunningProcess,
  scratchFolder,
  startToolmeter,
  untilReady,
} from '../support/toolmeter.ts';
import { type Tally, tally } from './tally.ts';
import { FAULT_PRICES, readTruth } from './truth.ts';

export interface FaultOptions {
  readonly calls: number;
  /** Times that the whole process is killed; every third time a collector is killed too. */
  readonly kills: number;
  readonly perSecond: number;
  readonly seed: number;
  readonly report: (line: string) => void;
}

export interface FaultResult extends Tally {
  readonly kills: number;
  readonly collectorKills: number;
}

const GENERATOR = fileURLToPath(new URL('./generator.ts', import.meta.url));
const SETTLE_MS = 120_000;

/**
 * Kills `toolmeter up` at random moments while a collector commits calls of known cost, kills the collector at times,
 * and counts what has become of them.
 */
export async function embeddedFaults(options: FaultOptions): Promise<FaultResult> {
  const { calls, kills, perSecond, report } = options;
  const next = random(options.seed);
  const scratch = scratchFolder('toolmeter-faults-');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const prices = join(scratch.path, 'prices.yaml');
  writeFileSync(prices, FAULT_PRICES);
  const env = {
    TOOLMETER_HOME: join(scratch.path, 'home'),
    TOOLMETER_URL: url,
    TOOLMETER_API_PORT: String(port),
    TOOLMETER_PRICES: prices,
    TOOLMETER_TELEMETRY_LEVEL: 'warn',
  };
  const up = (): RunningProcess => startToolmeter(['up'], env);
  let running = up();
  let collectorKills = 0;
  const truthFiles: string[] = [];
  try {
    await untilReady(url, running);
    let first = 0;
    for (let round = 0; round <= kills; round++) {
      const count = Math.ceil((calls - first) / (kills + 1 - round));
      const truth = join(scratch.path, `truth-${round}`);
      truthFiles.push(truth);
      const collector = startGenerator([truth, String(first), String(count), String(perSecond)], env);
      const ended = once(collector, 'exit');
      if (round < kills) {
        await sleep(20 + next() * (count / perSecond) * 1000);
        await running.kill();
        if (round % 3 === 2) {
          collectorKills++;
          collector.kill('SIGKILL');
        }
        running = up();
        // The next kill may come before it is ready: also that must be survived.
        if (next() < 0.7) await untilReady(url, running);
        report(`kill ${round + 1} of ${kills}`);
      }
      await ended;
      // What a killed collector did not get to is left for the next one.
      first = readTruth(truthFiles).intended.size;
    }
    await untilReady(url, running);
    // One more collector takes over whatever the dead ones left.
    const truth = join(scratch.path, 'truth-last');
    truthFiles.push(truth);
    await once(startGenerator([truth, String(first), '1', '1000'], { ...env, FAULTS_LAST: '1' }), 'exit');
    await settle(url, readTruth(truthFiles).committed.size, report);
    await running.kill('SIGTERM');
    return { kills, collectorKills, ...(await tally(env, truthFiles)) };
  } catch (error) {
    report(running.output());
    throw error;
  } finally {
    await running.kill();
    scratch.remove();
  }
}

/** A collector that commits calls; see `generator.ts`. */
export function startGenerator(args: string[], env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [GENERATOR, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

/** Waits until the API counts at least what is known to be committed, and the count stands still. */
async function settle(url: string, atLeast: number, report: (line: string) => void): Promise<void> {
  const from = new Date(Date.now() - 3_600_000).toISOString();
  const to = new Date(Date.now() + 3_600_000).toISOString();
  const deadline = Date.now() + SETTLE_MS;
  let last = -1;
  for (;;) {
    const response = await fetch(`${url}/v1/spend?from=${from}&to=${to}&group_by=server`);
    const calls = response.ok ? ((await response.json()) as { total: { calls: number } }).total.calls : -1;
    if (calls >= atLeast && calls === last) return;
    if (Date.now() > deadline) {
      report(`still ${calls} of ${atLeast} calls after ${SETTLE_MS / 1000} s`);
      return;
    }
    last = calls;
    await sleep(2_500);
  }
}
