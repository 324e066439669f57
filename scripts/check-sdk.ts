/** Uses `toolmeter-sdk` as a user would: packed, installed alone beside an MCP SDK, on each Node that it promises. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * A server under `meter()` and its client, with an ingest that checks what arrives. Prints one line of JSON. Plain
 * JavaScript: Node 20 reads no types.
 */
const PROGRAM = `
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
const events = [];
const ingest = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (text) => { body += text; }).on('end', () => {
    const lines = body.split('\\n').filter((line) => line !== '').map((line) => JSON.parse(line));
    for (const { event } of lines) if (event !== undefined) events.push(event);
    response.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify({ accepted: lines.length }));
  });
});
await new Promise((resolve) => ingest.listen(0, '127.0.0.1', resolve));
process.env.TOOLMETER_URL = 'http://127.0.0.1:' + ingest.address().port;
const { meter, tag, closeMeter, meterStats } = await import('toolmeter-sdk');
const server = meter(new McpServer({ name: 'checked', version: '1.0.0' }));
server.registerTool('greet', {}, async () => { tag('team', 'check'); return { content: [{ type: 'text', text: 'hello, ada@example.org' }] }; });
const client = new Client({ name: 'checker', version: '1.0.0' });
const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
await Promise.all([server.connect(serverSide), client.connect(clientSide)]);
await client.callTool({ name: 'greet', arguments: {} });
await client.close();
await closeMeter(5000);
const wrapped = await new Promise((resolve, reject) => {
  const child = spawn(process.execPath, [process.argv[2], '--', process.execPath, '-e',
    "process.stdin.once('data', () => { console.log(JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} })); })"], { stdio: ['pipe', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk) => { out += chunk; if (out.includes('\\n')) child.stdin.end(); });
  child.on('error', reject).on('exit', (code) => resolve({ code, out }));
  child.stdin.write(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }) + '\\n');
});
const until = Date.now() + 5000;
while (!events.some((event) => event.collector.kind === 'stdio') && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
ingest.closeAllConnections();
ingest.close();
console.log(JSON.stringify({ events, wrapped, failures: meterStats().failures }));
process.exit(0);
`;

interface Report {
  events: {
    method: string;
    outcome: string;
    durable: boolean;
    tags: Record<string, string>;
    result: { text?: string };
    collector: { kind: string };
  }[];
  wrapped: { code: number; out: string };
  failures: number;
}

/** @throws Error that says what did not work on which Node. */
export function checkPackage(built: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-check-'));
  try {
    const packed = run('npm', ['pack', '--json', '--pack-destination', folder, built], folder);
    const { filename } = (JSON.parse(packed) as { filename: string }[])[0] as { filename: string };
    const app = join(folder, 'app');
    mkdirSync(app);
    writeFileSync(join(app, 'package.json'), '{"name":"app","private":true,"type":"module"}');
    run(
      'npm',
      ['install', '--offline', '--no-audit', '--no-fund', '--omit=peer', join(folder, filename)],
      app,
    );
    const installed = readdirSync(join(app, 'node_modules')).filter((name) => !name.startsWith('.'));
    if (installed.join() !== 'toolmeter-sdk')
      throw new Error(`it brings others with it: ${installed.join(', ')}`);
    // The MCP SDK that it meters is the host's. It is linked, so that its own packages are found where they are.
    mkdirSync(join(app, 'node_modules', '@modelcontextprotocol'));
    const sdk = join('node_modules', '@modelcontextprotocol', 'sdk');
    symlinkSync(realpathSync(join(root, sdk)), join(app, sdk));
    writeFileSync(join(app, 'program.js'), PROGRAM);
    typeCheck(app);
    const nodes = findNodes();
    for (const wanted of [20, 24])
      if (!nodes.some(({ major }) => major === wanted))
        process.stdout.write(`no Node ${wanted} here: not tried on it\n`);
    for (const { path, version, major } of nodes) {
      const home = join(folder, `home-${version}`);
      const bin = join(app, 'node_modules', '.bin', 'toolmeter-wrap');
      const report = JSON.parse(
        run(path, ['program.js', bin], app, { TOOLMETER_HOME: home, KAFKA_BROKERS: '' })
          .trim()
          .split('\n')
          .at(-1) as string,
      ) as Report;
      verify(report, version, major);
      process.stdout.write(
        `Node ${version}: ${report.events.length} events arrived, durable: ${report.events[0]?.durable}\n`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function verify({ events, wrapped, failures }: Report, version: string, major: number): void {
  const problem = (what: string): never => {
    throw new Error(`toolmeter-sdk on Node ${version}: ${what}`);
  };
  const call = events.find((event) => event.method === 'tools/call');
  if (call === undefined) throw new Error(`toolmeter-sdk on Node ${version}: the tool call did not arrive`);
  if (call.outcome !== 'ok' || call.tags.team !== 'check') problem(`wrong event: ${JSON.stringify(call)}`);
  if (!call.result.text?.includes('<email:')) problem(`the result is not scrubbed: ${call.result.text}`);
  if (major >= 24 && !call.durable) problem('the spool is not durable');
  if (failures > 0) problem(`${failures} failures`);
  if (wrapped.code !== 0 || !wrapped.out.includes('"result"'))
    problem(`toolmeter-wrap: ${JSON.stringify(wrapped)}`);
  if (!events.some((event) => event.collector.kind === 'stdio'))
    problem('the wrapped server’s call did not arrive');
}

/** A user's program compiles against the declarations, strictly, with nothing of ours but the package. */
function typeCheck(app: string): void {
  writeFileSync(
    join(app, 'program.ts'),
    `import { closeMeter, meter, meterClient, type MeterOptions, meterTransport, tag } from 'toolmeter-sdk';
const options: MeterOptions = { server: 'x', tags: { team: 'y' } };
const made: { a: number } = meter({ a: 1 }, options);
const factory: (n: number) => Promise<object> = meter(async (n: number) => ({ n }));
tag('k', 'v');
await closeMeter();
export { factory, made, meterClient, meterTransport };
`,
  );
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    'false',
    '--module',
    'nodenext',
    '--target',
    'es2022',
  ];
  run(join(root, 'node_modules', '.bin', 'tsc'), [...options, '--types', '', 'program.ts'], app);
}

interface FoundNode {
  readonly path: string;
  readonly version: string;
  readonly major: number;
}

/** One Node of each major version: this one, those on the path, and those that the variable `TOOLMETER_NODES` names. */
function findNodes(): FoundNode[] {
  const candidates = [
    process.execPath,
    ...(process.env.TOOLMETER_NODES ?? '').split(delimiter),
    ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node')),
  ];
  const found = new Map<number, FoundNode>();
  for (const path of candidates) {
    if (path === '' || !existsSync(path)) continue;
    const { stdout, status } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    const major = Number(/^v(\d+)\./.exec(stdout ?? '')?.[1]);
    if (status === 0 && major >= 20 && !found.has(major))
      found.set(major, { path, version: stdout.trim(), major });
  }
  return [...found.values()];
}

function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
  if (status !== 0)
    throw new Error(`${command} ${args[0]} failed: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}
