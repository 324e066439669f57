import { homePath, openHome } from '../core/home.ts';
import { migrate, migrationStatus } from '../store/migrate.ts';
import { makeLogger } from '../telemetry/logger.ts';
import { commandLine, PLACES } from './command-line.ts';
import { openConfiguredStore } from './roles/store.ts';
import { configFile, loadSettings } from './settings.ts';
import { table } from './table.ts';

const USAGE = `Usage: toolmeter migrate [--status] [--config FILE] [--home FOLDER]

Brings the store's tables up to date, under a lock. --status only shows what has been applied and what has not.
`;

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, { ...PLACES, status: { type: 'boolean' } });
  if (line === null) return 0;
  const { values } = line;
  const settings = loadSettings(configFile(values.config));
  const log = makeLogger({ level: settings.config.telemetry.level, name: 'migrate' });
  const store = await openConfiguredStore(settings, openHome(values.home ?? homePath()), log);
  try {
    const client = await store.newClient();
    if (!values.status) {
      const applied = await migrate(client, log);
      process.stdout.write(
        applied.length === 0 ? 'Up to date.\n' : `Applied ${applied.length} migrations.\n`,
      );
    }
    const states = await migrationStatus(client);
    process.stdout.write(
      `${table(states, [
        { title: 'version', value: (row) => String(row.version), right: true },
        { title: 'name', value: (row) => row.name },
        { title: 'state', value: (row) => row.state },
        { title: 'applied', value: (row) => row.applied_at ?? '' },
      ])}\n`,
    );
    return states.some((row) => row.state === 'changed') ? 1 : 0;
  } finally {
    await store.close();
  }
}
