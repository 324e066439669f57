import { DEFAULT_URL, homePath, ingestUrl } from '../core/home.ts';
import { commandLine, usageError } from './command-line.ts';
import { runDemo } from './demo/run.ts';

const USAGE = `Usage: toolmeter demo [--url URL]

Drives real MCP traffic of three made-up teams against a running Toolmeter on this machine and prints the spend. The teams
show where the running one uses the demonstration's directory: toolmeter up --demo does both.
`;

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, { url: { type: 'string' } });
  if (line === null) return 0;
  const url = line.values.url ?? ingestUrl();
  if (!URL.canParse(url)) throw usageError(`--url takes an address such as ${DEFAULT_URL}, not "${url}"`);
  return runDemo({ url: url.replace(/\/$/, ''), home: homePath(), begunAt: Date.now() });
}
