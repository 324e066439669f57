#!/usr/bin/env node
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { wrap } from '../collectors/stdio/index.ts';

const USAGE = `Usage: toolmeter wrap [options] -- COMMAND [ARGS...]

Runs an MCP server that speaks stdio, passes everything through as it is, and meters each call.

  --server NAME            The server's name in reports (default: what it says of itself)
  --tag KEY=VALUE          A tag of every call; may be repeated ("--tag model=NAME" names the model)
  --max-message-bytes N    Largest message whose content is recorded (default 16777216)
  --help                   This text

TOOLMETER_DISABLED=1 runs the command and meters nothing.
`;

/** What the arguments ask for, or the sentence that says why they can't be understood. */
type Parsed =
  | { kind: 'help' }
  | { kind: 'usage'; sentence: string }
  | {
      kind: 'run';
      command: string;
      args: string[];
      server: string | undefined;
      tags: Record<string, string>;
      maxMessageBytes: number | undefined;
    };

/** A message is parsed as one text; V8's longest has half a billion characters. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/** Reads options up to `--`; what follows is the child's and is not looked at. */
export function parse(argv: readonly string[]): Parsed {
  const end = argv.indexOf('--');
  const options = end === -1 ? [...argv] : argv.slice(0, end);
  let server: string | undefined;
  let maxMessageBytes: number | undefined;
  const tags: Record<string, string> = {};
  while (options.length > 0) {
    const option = options.shift() as string;
    if (option === '--help' || option === '-h') return { kind: 'help' };
    const [name, inline] = splitOnce(option);
    if (!['--server', '--tag', '--max-message-bytes'].includes(name)) {
      return option.startsWith('-')
        ? usage(`there is no option "${name}"`)
        : usage(`put "--" before the command: toolmeter wrap -- ${option}`);
    }
    const value = inline ?? options.shift();
    if (value === undefined || value === '') return usage(`${name} needs a value`);
    if (name === '--server') server = value;
    else if (name === '--tag') {
      const [key, tag] = splitOnce(value);
      if (key === '' || tag === undefined) return usage(`--tag takes KEY=VALUE, not "${value}"`);
      tags[key] = tag;
    } else {
      maxMessageBytes = Number(value);
      if (!/^\d+$/.test(value) || maxMessageBytes < 1 || maxMessageBytes > MAX_MESSAGE_BYTES) {
        return usage(`--max-message-bytes takes 1 to ${MAX_MESSAGE_BYTES}, not "${value}"`);
      }
    }
  }
  const [command, ...args] = end === -1 ? [] : argv.slice(end + 1);
  if (command === undefined || command === '') return usage('no command is given after "--"');
  return { kind: 'run', command, args, server, tags, maxMessageBytes };
}

function usage(sentence: string): Parsed {
  return { kind: 'usage', sentence };
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** `toolmeter wrap`, and the `toolmeter-wrap` of the small package. Resolves to the exit code. */
export async function run(argv: string[]): Promise<number> {
  const parsed = parse(argv);
  if (parsed.kind === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  if (parsed.kind === 'usage') {
    process.stderr.write(`toolmeter wrap: ${parsed.sentence}.\n`);
    return 2;
  }
  const { server, maxMessageBytes } = parsed;
  return wrap({
    command: parsed.command,
    args: parsed.args,
    tags: parsed.tags,
    env: process.env,
    ...(server !== undefined && { server }),
    ...(maxMessageBytes !== undefined && { maxMessageBytes }),
  });
}

/** Node 20 has no `import.meta.main`, and a bin is called by its link's name. */
function isMain(): boolean {
  const script = process.argv[1];
  return script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url);
}

if (isMain()) process.exitCode = await run(process.argv.slice(2));
