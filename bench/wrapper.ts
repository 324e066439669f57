/**
 * What `meter(server)` adds to a call, beside the bare SDK and its peers: echo tool, 1 KB, in-memory transport, each
 * subject in a process of its own, rounds interleaved. Spool, hash and scrub are on. Everybody's network traffic goes
 * to a sink on loopback.
 *
 * `node bench/wrapper.ts [--rounds N] [--calls N] [--json]`
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { conditions, emit, median, percentile, type Spread, spread } from './support.ts';
import type { RoundRequest, RoundResult, Subject } from './wrapper-subject.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    calls: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const calls = Number(values.calls);
/** Arrivals a second in the paced rounds, how many, and after how many dense rounds there is one. */
const RATE = 500;
const PACED_CALLS = 250;
const PACED_EVERY = 10;
/** Calls before the first round: code is compiled, caches are filled. */
const WARM_UP_CALLS = 4000;

const SUBJECTS: readonly Subject[] = ['bare', 'toolmeter', 'mcpcat', 'posthog', 'sentry'];

/** Answers every request with an empty success, at once; in a process of its own, so that its work is nobody's. */
const SINK = `
  const server = require('node:http').createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (text) => { body += text; }).on('end', () => {
      const accepted = body.split('\\n').filter((line) => line !== '').length;
      response.writeHead(request.url === '/v1/events' ? 202 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ accepted, status: 1 }));
    });
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(String(server.address().port) + '\\n'));
  process.stdin.on('end', () => process.exit(0)).resume();`;

interface Measured {
  /** Of each round. */
  p50: number[];
  /** Latency of every call: a percentile near 1 needs more than a round has. */
  all: number[];
  cpu: number[];
  pacedP99: number[];
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-bench-'));
  const sink = spawn(process.execPath, ['-e', SINK], { stdio: ['pipe', 'pipe', 'inherit'] });
  const children = new Map<Subject, ChildProcess>();
  try {
    const port = await new Promise<string>((resolve) =>
      sink.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
    );
    const url = `http://127.0.0.1:${port}`;
    for (const subject of SUBJECTS) children.set(subject, await start(subject, url, folder));
    const measured = new Map<Subject, Measured>(
      SUBJECTS.map((subject) => [subject, { p50: [], all: [], cpu: [], pacedP99: [] }]),
    );
    for (const child of children.values()) await ask(child, { calls: WARM_UP_CALLS, rate: 0 });
    for (let i = 0; i < rounds; i++) {
      // Each round begins with another subject: none always follows the same neighbour.
      for (let j = 0; j < SUBJECTS.length; j++) {
        const subject = SUBJECTS[(i + j) % SUBJECTS.length] as Subject;
        const child = children.get(subject) as ChildProcess;
        const into = measured.get(subject) as Measured;
        const dense = await ask(child, { calls, rate: 0 });
        into.p50.push(percentile(dense.latenciesUs, 0.5));
        for (const latency of dense.latenciesUs) into.all.push(latency);
        into.cpu.push(dense.cpuUsPerCall);
        if (i % PACED_EVERY === PACED_EVERY - 1) {
          const paced = await ask(child, { calls: PACED_CALLS, rate: RATE });
          into.pacedP99.push(percentile(paced.latenciesUs, 0.99));
        }
      }
    }
    report(measured);
  } finally {
    for (const child of children.values()) child.send('end');
    await Promise.all(
      [...children.values()].map((child) => new Promise((resolve) => child.once('exit', resolve))),
    );
    sink.stdin.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function start(subject: Subject, url: string, folder: string): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('wrapper-subject.ts', import.meta.url)), [subject, url], {
    // mcpcat writes its log to the home folder.
    env: {
      ...process.env,
      HOME: folder,
      TOOLMETER_HOME: join(folder, 'toolmeter'),
      TOOLMETER_URL: url,
      KAFKA_BROKERS: '',
    },
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`${subject} ended with ${code} before it was ready`)));
  });
  child.removeAllListeners('exit');
  return child;
}

function ask(child: ChildProcess, request: RoundRequest): Promise<RoundResult> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a subject ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (result) => {
      child.off('exit', ended);
      resolve(result as RoundResult);
    });
    child.send(request);
  });
}

function report(measured: ReadonlyMap<Subject, Measured>): void {
  const of = (subject: Subject): Measured => measured.get(subject) as Measured;
  /** Round by round against the bare server of the same round: what the machine did to both falls out. */
  const added = (subject: Subject, what: 'p50' | 'cpu'): number[] =>
    of(subject)[what].map((value, i) => value - (of('bare')[what][i] as number));
  const p99 = (subject: Subject): number => percentile(of(subject).all, 0.99);
  const rows: (Spread & { measure: string })[] = [];
  for (const subject of SUBJECTS) {
    rows.push({ measure: `${subject}: p50 µs`, ...spread(of(subject).p50) });
    rows.push({ measure: `${subject}: p99 µs, all rounds`, ...spread([p99(subject)]) });
    rows.push({ measure: `${subject}: CPU µs a call`, ...spread(of(subject).cpu) });
    rows.push({ measure: `${subject}: p99 µs at ${RATE}/s`, ...spread(of(subject).pacedP99) });
    if (subject !== 'bare')
      rows.push({ measure: `${subject}: added p50 µs`, ...spread(added(subject, 'p50')) });
  }
  const rounded = (value: number): number => Number(value.toFixed(3));
  const addedP50 = median(added('toolmeter', 'p50'));
  emit({
    name: 'wrapper',
    rows,
    metrics: {
      added_p50_us: rounded(addedP50),
      added_p50_ratio_to_mcpcat: rounded(addedP50 / median(added('mcpcat', 'p50'))),
      p99_ratio_to_mcpcat: rounded(p99('toolmeter') / p99('mcpcat')),
      cpu_us_per_call: rounded(median(added('toolmeter', 'cpu'))),
      paced_p99_ratio_to_mcpcat: rounded(median(of('toolmeter').pacedP99) / median(of('mcpcat').pacedP99)),
      bare_p50_us: rounded(median(of('bare').p50)),
      added_p50_us_mcpcat: rounded(median(added('mcpcat', 'p50'))),
      added_p50_us_posthog: rounded(median(added('posthog', 'p50'))),
      added_p50_us_sentry: rounded(median(added('sentry', 'p50'))),
    },
    conditions: {
      ...conditions(),
      rounds,
      calls,
      paced_rate: RATE,
      transport: 'in-memory',
      payload_bytes: 1000,
    },
    json: values.json,
  });
}

await main();
