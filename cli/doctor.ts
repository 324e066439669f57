import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ReadyzSchema } from '../api/routes/meta.ts';
import { messageOf, ToolmeterError } from '../core/errors.ts';
import { homePath, ingestUrl, isDisabled, openHome } from '../core/home.ts';
import type { Config } from '../schemas/config.ts';
import { commandLine, PLACES } from './command-line.ts';
import { problemsOf } from './config.ts';
import { checkSettings, configFile } from './settings.ts';

const USAGE = `Usage: toolmeter doctor [--config FILE] [--home FOLDER]

Checks Node, the home folder, the configuration, the spools, and whether the API answers. Exit code 1 where something is wrong.
`;

interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Oldest Node that everything but the interceptors runs on (package.json, `engines`). */
const NODE_MIN = [22, 22] as const;

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, PLACES);
  if (line === null) return 0;
  const { values } = line;
  const home = values.home ?? homePath();
  const file = configFile(values.config);
  const settings = checkSettings(file);
  const findings = [
    node(),
    disabled(),
    homeFolder(home),
    ...configuration(file, settings),
    spools(home),
    await api('problems' in settings ? ingestUrl() : apiUrl(settings.config.api)),
  ];
  for (const { name, ok, detail } of findings)
    process.stdout.write(`${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(14)} ${detail}\n`);
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  return {
    name: 'node',
    ok,
    detail: ok ? process.version : `${process.version} is older than ${NODE_MIN.join('.')}: update Node`,
  };
}

function disabled(): Finding {
  return isDisabled()
    ? { name: 'interceptors', ok: false, detail: 'TOOLMETER_DISABLED is set: nothing is metered' }
    : { name: 'interceptors', ok: true, detail: 'enabled' };
}

function homeFolder(path: string): Finding {
  try {
    openHome(path);
    return { name: 'home', ok: true, detail: path };
  } catch (error) {
    return {
      name: 'home',
      ok: false,
      detail: error instanceof ToolmeterError ? `${error.message} ${error.hint}` : messageOf(error),
    };
  }
}

function configuration(file: string | null, result: ReturnType<typeof checkSettings>): Finding[] {
  const problems = problemsOf(result);
  if (problems.length === 0)
    return [{ name: 'configuration', ok: true, detail: file ?? 'no file: defaults' }];
  return problems.map(({ where, message }) => ({
    name: 'configuration',
    ok: false,
    detail: `${where}: ${message}`,
  }));
}

/** Spools that lie on disk: those of running collectors, and of ones that died and will be taken over. */
function spools(home: string): Finding {
  try {
    const folders = readdirSync(join(home, 'spools'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    let sizeBytes = 0;
    for (const folder of folders) {
      for (const name of readdirSync(join(home, 'spools', folder.name)))
        sizeBytes += statSync(join(home, 'spools', folder.name, name)).size;
    }
    return {
      name: 'spools',
      ok: true,
      detail: `${folders.length}, ${(sizeBytes / 1_048_576).toFixed(1)} MiB`,
    };
  } catch (error) {
    return { name: 'spools', ok: false, detail: messageOf(error) };
  }
}

/** Where collectors are told to post, else where the configuration has the API listen. */
function apiUrl({ host, port }: Config['api'], env = process.env): string {
  if (env.TOOLMETER_URL !== undefined || port === 0) return ingestUrl(env);
  // What listens on every address answers on loopback.
  const at = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return `http://${at}:${port}`;
}

async function api(url: string): Promise<Finding> {
  const finding = (ok: boolean, detail: string): Finding => ({ name: 'api', ok, detail: `${url} ${detail}` });
  let body: unknown;
  try {
    body = await (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) })).json();
  } catch (error) {
    if (error instanceof SyntaxError) return finding(false, 'answers, and is not Toolmeter');
    return finding(false, 'does not answer: start it with "toolmeter up" (collectors spool meanwhile)');
  }
  const answer = ReadyzSchema.safeParse(body);
  if (!answer.success) return finding(false, 'answers, and is not Toolmeter');
  if (answer.data.status === 'ready') return finding(true, 'is ready');
  // Details are only for whoever may read the metrics.
  const failing = answer.data.parts
    .filter(({ ok }) => !ok)
    .map(({ name, detail }) => (detail === undefined ? name : `${name}: ${detail}`));
  return finding(false, `is not ready: ${failing.join('; ')}`);
}
