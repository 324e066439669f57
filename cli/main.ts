#!/usr/bin/env node
import { messageOf, ToolmeterError } from '../core/errors.ts';

interface Command {
  readonly summary: string;
  /** Runs the command with the arguments after its name; resolves to the exit code. */
  readonly load: () => Promise<{ run(argv: string[]): Promise<number> }>;
}

/** One file a command, loaded when it is called: `wrap` must start fast. */
const COMMANDS: Record<string, Command> = {
  up: {
    summary: 'Run everything in one process (add --demo for a demonstration)',
    load: () => import('./up.ts'),
  },
  wrap: {
    summary: 'Meter an MCP server that speaks stdio: wrap [options] -- CMD ARGS',
    load: () => import('./wrap.ts'),
  },
  gateway: {
    summary: 'Stand in front of MCP servers over HTTP, and meter each call',
    load: () => import('./gateway.ts'),
  },
  process: {
    summary: 'Run processors and sink against Kafka and ClickHouse',
    load: () => import('./process.ts'),
  },
  api: { summary: 'Run the query API and the ingest', load: () => import('./api.ts') },
  store: {
    summary: "Serve the embedded store over ClickHouse's HTTP interface, read-write",
    load: () => import('./store.ts'),
  },
  migrate: {
    summary: "Bring the store's tables up to date, or show their status",
    load: () => import('./migrate.ts'),
  },
  demo: {
    summary: 'Drive real MCP traffic of three teams against a running Toolmeter',
    load: () => import('./demo.ts'),
  },
  doctor: {
    summary: 'Check this machine, its configuration and its spools',
    load: () => import('./doctor.ts'),
  },
  dlq: {
    summary: 'List dead letters, or replay them: dlq list | dlq replay',
    load: () => import('./dlq.ts'),
  },
  config: { summary: 'Check a configuration: config check [FILE]', load: () => import('./config.ts') },
  keys: {
    summary: 'Make, list and revoke API keys: keys create | list | revoke',
    load: () => import('./keys.ts'),
  },
  scrub: { summary: 'Scrub NDJSON from standard input', load: () => import('./scrub.ts') },
  tokens: { summary: 'Count tokens of NDJSON from standard input', load: () => import('./tokens.ts') },
  detect: { summary: 'Score a series of time,value from standard input', load: () => import('./detect.ts') },
  price: { summary: 'Price NDJSON from standard input', load: () => import('./price.ts') },
};

export function usage(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: toolmeter COMMAND [options]\n\n${lines.join('\n')}\n\ntoolmeter COMMAND --help tells more.\n`;
}

export async function main(argv: string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    const { VERSION } = await import('../core/version.ts');
    process.stdout.write(`${VERSION}\n`);
    return 0;
  }
  const command = COMMANDS[name];
  if (command === undefined) {
    process.stderr.write(`toolmeter: there is no command "${name}"; toolmeter --help lists them.\n`);
    return 2;
  }
  try {
    const { run } = await command.load();
    return await run(rest);
  } catch (error) {
    if (error instanceof ToolmeterError && error.code === 'TM_USAGE') {
      process.stderr.write(`toolmeter ${name}: ${error.message}; toolmeter ${name} --help tells more.\n`);
    } else if (error instanceof ToolmeterError) {
      process.stderr.write(
        `toolmeter ${name}: ${error.message}${error.hint === '' ? '' : ` ${error.hint}`} (${error.code})\n`,
      );
    } else {
      process.stderr.write(`toolmeter ${name}: unexpected failure: ${messageOf(error)}\n`);
      if (process.env.TOOLMETER_DEBUG) process.stderr.write(`${(error as Error).stack}\n`);
    }
    return 2;
  }
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2));
}
