/**
 * `npm run bench:pipeline [-- --json] [-- --kafka] [--calls N] [--rounds N]`: raw events in the log → rows that can be
 * queried, all stages on, beside what the store (embedded) or Kafka alone can do with the same data in the same run.
 * Rounds are interleaved, each in a process of its own; medians and spread are printed.
 */
import { fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { scratchFolder } from '../test/support/toolmeter.ts';
import { conditions, emit, median, spread } from './support.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    kafka: { type: 'boolean' },
    calls: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
  },
});
const calls = Number(values.calls);
const rounds = Number(values.rounds);

interface Answer {
  readonly perSecond: number;
  readonly rssMb: number;
}

/** Runs one measurement in a process of its own. */
function measure(what: string, env: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./pipeline-run.ts', import.meta.url)), [what, String(calls)], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.once('message', (answer) => resolve(answer as Answer));
    child.once('exit', (code) => reject(new Error(`${what} ended with ${code} and no answer`)));
  });
}

const scratch = scratchFolder('toolmeter-bench-');
const kafka = values.kafka ? await (await import('../test/support/kafka/index.ts')).startKafka() : null;
const baseline = kafka === null ? 'store-insert' : 'kafka-copy';
const pipeline: Answer[] = [];
const bare: Answer[] = [];
try {
  for (let round = 0; round < rounds; round++) {
    const env = (name: string): Record<string, string> => ({
      TOOLMETER_HOME: join(scratch.path, `${round}-${name}`),
      ...(kafka !== null && { KAFKA_BROKERS: kafka.brokers.join(',') }),
      BENCH_ROUND: `${round}`,
    });
    // Each leaves behind what the next one needs: raw records, then rows.
    await measure('fill', env('pipeline'));
    pipeline.push(await measure('pipeline', env('pipeline')));
    bare.push(await measure(baseline, env('pipeline')));
    rmSync(join(scratch.path, `${round}-pipeline`), { recursive: true, force: true });
    process.stderr.write(
      `round ${round + 1} of ${rounds}: pipeline ${Math.round(pipeline.at(-1)?.perSecond ?? 0)}/s, ${baseline} ${Math.round(bare.at(-1)?.perSecond ?? 0)}/s\n`,
    );
  }
} finally {
  await kafka?.stop();
  scratch.remove();
}

const ratios = pipeline.map((answer, i) => answer.perSecond / (bare[i] as Answer).perSecond);
const ratioName = kafka === null ? 'ratio_to_store_insert' : 'ratio_to_kafka_copy';
emit({
  name: kafka === null ? 'pipeline' : 'pipeline-kafka',
  rows: [
    { measure: 'pipeline, events/s', ...spread(pipeline.map(({ perSecond }) => perSecond)) },
    { measure: `${baseline}, events/s`, ...spread(bare.map(({ perSecond }) => perSecond)) },
    { measure: ratioName, ...spread(ratios) },
    { measure: 'pipeline, largest RSS, MB', ...spread(pipeline.map(({ rssMb }) => rssMb)) },
  ],
  metrics: {
    [ratioName]: median(ratios),
    events_per_s: median(pipeline.map(({ perSecond }) => perSecond)),
    rss_mb: median(pipeline.map(({ rssMb }) => rssMb)),
  },
  conditions: { ...conditions(), calls, rounds, baseline },
  json: values.json === true,
});
