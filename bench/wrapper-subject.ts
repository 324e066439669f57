/**
 * One subject of `bench/wrapper.ts`, in a process of its own: an echo server under one interceptor (or none) and a
 * client, over the SDK's in-memory transport. Each message from the parent is a round; the answer is what was measured.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { closeMeter, meter, meterStats } from '../collectors/sdk/index.ts';

export type Subject = 'bare' | 'toolmeter' | 'mcpcat' | 'posthog' | 'sentry';

export interface RoundRequest {
  readonly calls: number;
  /** Arrivals a second, evenly spaced; 0: each call in the turn of the loop after the last. */
  readonly rate: number;
}

export interface RoundResult {
  readonly latenciesUs: number[];
  readonly cpuUsPerCall: number;
}

const [subject, sink] = process.argv.slice(2) as [Subject, string];

function echoServer(): McpServer {
  const server = new McpServer({ name: 'bench', version: '1.0.0' });
  server.registerTool('echo', { inputSchema: { text: z.string() } as never }, (async ({
    text,
  }: {
    text: string;
  }) => ({
    content: [{ type: 'text', text }],
  })) as never);
  return server;
}

async function intercepted(): Promise<McpServer> {
  const server = echoServer();
  if (subject === 'toolmeter') return meter(server);
  if (subject === 'mcpcat') {
    const { track } = await import('mcpcat');
    track(server, 'proj_bench', {
      apiBaseUrl: sink,
      disableDiagnostics: true,
      enableReportMissing: false,
      enableToolCallContext: false,
    });
  } else if (subject === 'posthog') {
    const { instrument, PostHog } = await import('@posthog/mcp');
    instrument(server, new PostHog('phc_bench', { host: sink }), { context: false });
  } else if (subject === 'sentry') {
    const Sentry = await import('@sentry/node');
    Sentry.init({
      dsn: sink.replace('http://', 'http://key@').concat('/1'),
      tracesSampleRate: 1,
    });
    return Sentry.wrapMcpServerWithSentry(server);
  }
  return server;
}

const server = await intercepted();
const client = new Client({ name: 'bench-client', version: '1.0.0' });
const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
await Promise.all([server.connect(serverSide), client.connect(clientSide)]);

/** 1 KB of prose; in every tenth call it holds something that a scrubber has to find. */
const words =
  'The order of the customer was sent to the office near the harbour on the third of the month, and '.repeat(
    12,
  );
let n = 0;
const argument = (): string =>
  `${++n} ${words}`
    .slice(0, 970)
    .concat(n % 10 === 0 ? ' mail: someone@example.org' : ' and so to the end of it.');

async function one(): Promise<void> {
  await client.callTool({ name: 'echo', arguments: { text: argument() } });
}

async function round({ calls, rate }: RoundRequest): Promise<RoundResult> {
  const latenciesUs = new Array<number>(calls);
  const cpu = process.cpuUsage();
  if (rate === 0) {
    for (let i = 0; i < calls; i++) {
      // A server's calls come from outside, each in a turn of the loop of its own. What others do in between is in the
      // CPU time, and in the latencies of the paced rounds.
      await new Promise((resolve) => setImmediate(resolve));
      const started = performance.now();
      await one();
      latenciesUs[i] = (performance.now() - started) * 1000;
    }
  } else {
    const begun = performance.now();
    for (let i = 0; i < calls; i++) {
      const due = begun + (i * 1000) / rate;
      // Timers have a resolution of 1 ms: the rest is waited for in turns of the loop, in which others' work gets on.
      while (performance.now() < due) {
        const left = due - performance.now();
        await new Promise<void>((resolve) =>
          left > 2 ? setTimeout(resolve, left - 1.5) : setImmediate(resolve),
        );
      }
      await one();
      latenciesUs[i] = (performance.now() - due) * 1000;
    }
  }
  await settled();
  const used = process.cpuUsage(cpu);
  return { latenciesUs, cpuUsPerCall: (used.user + used.system) / calls };
}

/**
 * What an interceptor still has to do for calls that have ended belongs to their price, and not into the next
 * subject's round: waits until this process uses less than 1 ms of CPU in 50 ms, twice in a row. (Looking costs a cold
 * process 0.3 ms: rounds are long enough for that to be nothing, and looks few.)
 */
async function settled(): Promise<void> {
  const deadline = performance.now() + 5_000;
  for (let quiet = 0; quiet < 2 && performance.now() < deadline; ) {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const used = process.cpuUsage(before);
    const waiting = subject === 'toolmeter' && meterStats().spooled + meterStats().buffered > 0;
    quiet = used.user + used.system < 1_000 && !waiting ? quiet + 1 : 0;
  }
}

process.on('message', (request: RoundRequest | 'end') => {
  if (request === 'end') {
    const stats = meterStats();
    closeMeter(500).finally(() => process.send?.({ stats }, () => process.exit(0)));
    return;
  }
  round(request).then(
    (result) => process.send?.(result),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.send?.('ready');
