import { parseArgs } from 'node:util';
import { checkDirectoryFile } from '../processors/attribute/index.ts';
import { checkPriceFile } from '../processors/cost/index.ts';
import { checkSettings, configFile, type SettingsProblem } from './settings.ts';

const USAGE =
  'Usage: toolmeter config check [FILE]\n\nChecks the configuration, the team directory and the price files that it names.\n';

/** `toolmeter config check [FILE]`: every problem with its line and reason; exit code 1 where there is one. */
export async function run(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (positionals[0] !== 'check' || positionals.length > 2) {
    process.stderr.write(USAGE);
    return 2;
  }
  const file = configFile(positionals[1]);
  const result = checkSettings(file);
  const problems: SettingsProblem[] = 'problems' in result ? [...result.problems] : [];
  if (!('problems' in result)) {
    const { directory, prices } = result.config;
    if (directory !== undefined) problems.push(...checkDirectoryFile(directory));
    for (const path of prices) problems.push(...checkPriceFile(path));
  }
  for (const { where, message } of problems) process.stderr.write(`${where}: ${message}\n`);
  if (problems.length > 0) return 1;
  process.stdout.write(
    file === null ? 'No configuration file: the defaults are valid.\n' : `${file}: valid.\n`,
  );
  return 0;
}
