import { checkDirectoryFile } from '../processors/attribute/index.ts';
import { checkPriceFile } from '../processors/cost/index.ts';
import { commandLine, usageError } from './command-line.ts';
import { checkSettings, configFile, type SettingsProblem } from './settings.ts';

const USAGE =
  'Usage: toolmeter config check [FILE]\n\nChecks the configuration, the team directory and the price files that it names.\n';

/** Every problem of a configuration and, where it has none, of the files that it names. */
export function problemsOf(result: ReturnType<typeof checkSettings>): readonly SettingsProblem[] {
  if ('problems' in result) return result.problems;
  const { directory, prices } = result.config;
  return [
    ...(directory === undefined ? [] : checkDirectoryFile(directory)),
    ...prices.flatMap(checkPriceFile),
  ];
}

/** `toolmeter config check [FILE]`: every problem with its line and reason; exit code 1 where there is one. */
export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, {}, 2);
  if (line === null) return 0;
  const [verb, named] = line.positionals;
  if (verb !== 'check') throw usageError(verb === undefined ? 'check what?' : `there is no "${verb}"`);
  const file = configFile(named);
  const problems = problemsOf(checkSettings(file));
  for (const { where, message } of problems) process.stderr.write(`${where}: ${message}\n`);
  if (problems.length > 0) return 1;
  process.stdout.write(
    file === null ? 'No configuration file: the defaults are valid.\n' : `${file}: valid.\n`,
  );
  return 0;
}
