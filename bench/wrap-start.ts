/**
 * What `toolmeter wrap` adds to the start of a server, and what it weighs: time from the start of the process to the
 * answer of `initialize`, with and without the wrapper, rounds interleaved; resident memory of the wrapper after its
 * first call, when everything that it loads is loaded. The wrapper is bundled as it is published.
 *
 * `node bench/wrap-start.ts [--rounds N] [--json]`
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { platform, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { conditions, emit, median, type Spread, spread } from './support.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, json: { type: 'boolean' } },
});
const rounds = Number(values.rounds);

const INITIALIZE = `${JSON.stringify({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bench', version: '1' } },
})}\n`;
const PING = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })}\n`;

/** The quickest server that Node can be: what the wrapper adds is not hidden behind a slow start. */
const QUICK_SERVER = `
  process.stdin.setEncoding('utf8').on('data', (text) => {
    for (const line of text.split('\\n')) if (line !== '') {
      const { id } = JSON.parse(line);
      process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: { protocolVersion: '2025-06-18',
        capabilities: {}, serverInfo: { name: 'quick', version: '1' } } }) + '\\n');
    }
  }).on('end', () => process.exit(0));`;

interface Round {
  readonly firstAnswerMs: number;
  readonly secondAnswerMs: number;
  readonly rssMb: number;
  readonly exitMs: number;
}

/** One start to one end of a server. */
async function round(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<Round> {
  const startedMs = performance.now();
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'], env });
  let lines = 0;
  let wake = (): void => {};
  child.stdout.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) lines++;
    wake();
  });
  const answer = async (count: number): Promise<number> => {
    while (lines < count) {
      await new Promise<void>((next) => {
        wake = next;
      });
    }
    return performance.now();
  };
  child.stdin.write(INITIALIZE);
  const firstMs = await answer(1);
  await new Promise((next) => setTimeout(next, 300));
  const askedMs = performance.now();
  child.stdin.write(PING);
  const secondMs = await answer(2);
  await new Promise((next) => setTimeout(next, 300));
  const rssMb = residentMb(child.pid as number);
  const endedMs = performance.now();
  const exit = new Promise((done) => child.once('exit', done));
  child.stdin.end();
  await exit;
  return {
    firstAnswerMs: firstMs - startedMs,
    secondAnswerMs: secondMs - askedMs,
    rssMb,
    exitMs: performance.now() - endedMs,
  };
}

/** Linux: VmRSS of proc(5), which is in KiB. Elsewhere not a number. */
function residentMb(pid: number): number {
  if (platform() !== 'linux') return Number.NaN;
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

const folder = mkdtempSync(join(tmpdir(), 'toolmeter-bench-'));
try {
  await build({
    entryPoints: [resolve('cli/wrap.ts')],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['kafkajs'],
    minify: true,
    banner: {
      js: "import { createRequire as toolmeterCreateRequire } from 'node:module'; const require = toolmeterCreateRequire(import.meta.url);",
    },
  });
  const quick = join(folder, 'quick.mjs');
  writeFileSync(quick, QUICK_SERVER);
  const servers: [string, string[]][] = [
    ['quickest Node server', [quick]],
    [
      'server-everything',
      [resolve('node_modules/@modelcontextprotocol/server-everything/dist/index.js'), 'stdio'],
    ],
  ];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    TOOLMETER_HOME: join(folder, 'home'),
    TOOLMETER_URL: 'http://127.0.0.1:9',
  };
  const rows: (Spread & { readonly measure: string })[] = [];
  const metrics: Record<string, number> = {};
  for (const [name, args] of servers) {
    const direct: Round[] = [];
    const wrapped: Round[] = [];
    for (let i = 0; i <= rounds; i++) {
      const bare = await round(process.execPath, args, env);
      const with_ = await round(
        process.execPath,
        [join(folder, 'wrap.mjs'), '--', process.execPath, ...args],
        env,
      );
      if (i === 0) continue; // Fills the disk's cache and makes the home.
      direct.push(bare);
      wrapped.push(with_);
    }
    const start = (of: Round[]): number[] => of.map(({ firstAnswerMs }) => firstAnswerMs);
    const added = median(start(wrapped)) - median(start(direct));
    // What a machine that does nothing else would show: the quickest of each.
    const least = Math.min(...start(wrapped)) - Math.min(...start(direct));
    const rssMb = Math.max(...wrapped.map((each) => each.rssMb));
    const addedExit =
      median(wrapped.map(({ exitMs }) => exitMs)) - median(direct.map(({ exitMs }) => exitMs));
    // What a round with the wrapper took more than the round without it just before.
    const more = (of: (round: Round) => number): Spread =>
      spread(wrapped.map((round, i) => of(round) - of(direct[i] as Round)));
    rows.push(
      { measure: `${name}: start, direct, ms`, ...spread(start(direct)) },
      { measure: `${name}: start, wrapped, ms`, ...spread(start(wrapped)) },
      { measure: `${name}: added to the start, ms`, ...more(({ firstAnswerMs }) => firstAnswerMs) },
      { measure: `${name}: added to a call, ms`, ...more(({ secondAnswerMs }) => secondAnswerMs) },
      { measure: `${name}: added to the exit, ms`, ...more(({ exitMs }) => exitMs) },
      { measure: `${name}: wrapper's memory, MB`, ...spread(wrapped.map((each) => each.rssMb)) },
    );
    const key = name === 'server-everything' ? 'everything' : 'quick';
    metrics[`added_start_ms_${key}`] = Math.round(added * 10) / 10;
    metrics[`added_start_ms_${key}_quickest`] = Math.round(least * 10) / 10;
    metrics[`rss_mb_${key}`] = Math.round(rssMb * 10) / 10;
    metrics[`added_exit_ms_${key}`] = Math.round(addedExit * 10) / 10;
  }
  emit({
    name: 'wrap-start',
    rows,
    metrics,
    conditions: { rounds, ...conditions(), ingest: 'unreachable' },
    json: values.json === true,
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
