import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import { VERSION } from '../../core/version.ts';

/** A team of the demonstration: its agent's tags decide who pays, and name the model that reads the results. */
export interface DemoTeam {
  readonly app: string;
  readonly team: string;
  readonly costCenter: string;
  readonly model: string;
}

export const DEMO_TEAMS: readonly DemoTeam[] = [
  { app: 'support-bot', team: 'Support', costCenter: 'CC-100', model: 'gpt-4.1' },
  { app: 'search-agent', team: 'Search', costCenter: 'CC-200', model: 'claude-sonnet-4-5' },
  { app: 'growth-copilot', team: 'Growth', costCenter: 'CC-300', model: 'gemini-2.5-flash' },
];

/** First line of the demonstration's directory, by which its folder is known. */
export const DEMO_MARK = '# Who pays for whose calls, in the demonstration.';

/** The demonstration's team directory. */
export function demoDirectory(): string {
  const rules = DEMO_TEAMS.map(
    ({ app, team, costCenter }) => `  - id: ${app}
    when:
      tags:
        app: ${app}
    team: ${team}
    cost_center: ${costCenter}
    project: demo
    environment: demo
`,
  );
  return `${DEMO_MARK}\nrules:\n${rules.join('')}`;
}

export interface TrafficOptions {
  /** Environment of the wrapped servers: says where Toolmeter's home and ingest are. */
  readonly env: Record<string, string>;
  readonly rounds: number;
}

export interface TrafficReport {
  readonly calls: number;
  readonly failures: number;
}

/**
 * Real clients of every team call a real server (`@modelcontextprotocol/server-everything`) that runs behind
 * `toolmeter wrap`. @throws ToolmeterError TM_DEMO_SERVER where that server is not installed.
 */
export async function driveTraffic({ env, rounds }: TrafficOptions): Promise<TrafficReport> {
  const server = everythingServer();
  const reports = await Promise.all(DEMO_TEAMS.map((team) => driveTeam(team, server, env, rounds)));
  return reports.reduce((sum, report) => ({
    calls: sum.calls + report.calls,
    failures: sum.failures + report.failures,
  }));
}

function everythingServer(): string {
  try {
    const require = createRequire(import.meta.url);
    return join(
      dirname(require.resolve('@modelcontextprotocol/server-everything/package.json')),
      'dist',
      'index.js',
    );
  } catch (error) {
    throw new ToolmeterError(
      'TM_DEMO_SERVER',
      `The demonstration's server is not installed: ${messageOf(error).split('\n')[0]}.`,
      'Run: npm install @modelcontextprotocol/server-everything',
    );
  }
}

/** This program, as another process starts it. */
export function selfCommand(): string[] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return [process.execPath, fileURLToPath(new URL(`../main.${extension}`, import.meta.url))];
}

async function driveTeam(
  team: DemoTeam,
  server: string,
  env: Record<string, string>,
  rounds: number,
): Promise<TrafficReport> {
  const [command, ...self] = selfCommand() as [string, ...string[]];
  const client = new Client({ name: team.app, version: VERSION });
  await client.connect(
    new StdioClientTransport({
      command,
      args: [
        ...self,
        'wrap',
        '--server',
        'everything',
        '--tag',
        `app=${team.app}`,
        '--tag',
        `model=${team.model}`,
        '--',
        command,
        server,
        'stdio',
      ],
      env,
      stderr: 'ignore',
    }),
  );
  let calls = 0;
  let failures = 0;
  const call = async (work: () => Promise<{ isError?: unknown } | unknown>): Promise<void> => {
    calls++;
    try {
      const result = (await work()) as { isError?: boolean };
      if (result.isError === true) failures++;
    } catch {
      failures++;
    }
  };
  try {
    await call(() => client.listTools());
    for (let round = 0; round < rounds; round++) {
      const message = `Order ${round} for ${team.app}: please confirm to customer${round}@example.com and summarise the ticket in two sentences.`;
      await call(() => client.callTool({ name: 'echo', arguments: { message } }));
      await call(() => client.callTool({ name: 'get-sum', arguments: { a: round, b: team.app.length } }));
      await call(() =>
        client.callTool({ name: 'get-structured-content', arguments: { location: 'Chicago' } }),
      );
      if (round % 3 === 0) await call(() => client.callTool({ name: 'get-tiny-image', arguments: {} }));
      if (round % 4 === 0)
        await call(() => client.callTool({ name: 'get-sum', arguments: { a: 'not a number', b: 1 } }));
    }
  } finally {
    await client.close();
  }
  return { calls, failures };
}
