import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { messageOf, ToolmeterError } from '../core/errors.ts';

/** Where the configuration and the home folder are: options of every command that opens them. */
export const PLACES = { config: { type: 'string' }, home: { type: 'string' } } as const;

const HELP = { help: { type: 'boolean', short: 'h' } } as const;

type Parsed<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; options: O & typeof HELP }>
>;

/**
 * A command's options and at most `maxWords` other words, or null where help was asked for and has been printed: the
 * exit code is then 0.
 * @throws ToolmeterError TM_USAGE
 */
export function commandLine<const O extends ParseArgsOptionsConfig>(
  argv: string[],
  usage: string,
  options: O,
  maxWords = 0,
): Parsed<O> | null {
  let parsed: Parsed<O>;
  try {
    parsed = parseArgs({ args: argv, allowPositionals: true, options: { ...options, ...HELP } });
  } catch (error) {
    if (!(error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) throw error;
    // Node's first sentence says what is wrong; the rest is advice that --help gives better.
    throw usageError(messageOf(error).split(/\.\s|\.$|\n/)[0] ?? '');
  }
  if ((parsed.values as { help?: boolean }).help === true) {
    process.stdout.write(usage);
    return null;
  }
  const tooMany = parsed.positionals[maxWords];
  if (tooMany !== undefined) throw usageError(`nothing is known of "${tooMany}"`);
  return parsed;
}

/** What is wrong with a command's arguments, as a clause without its full stop. The exit code is 2. */
export const usageError = (clause: string): ToolmeterError => new ToolmeterError('TM_USAGE', clause);
