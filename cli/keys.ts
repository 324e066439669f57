import { parseArgs } from 'node:util';
import { openOwnCollectors } from '../api/auth/collectors.ts';
import { openApiKeys } from '../api/auth/keys.ts';
import { ROLES, type Role } from '../api/auth/policy.ts';
import { homePath, openHome } from '../core/home.ts';
import { table } from './table.ts';

const USAGE = `Usage: toolmeter keys create --name NAME --role ${ROLES.join('|')} [--team TEAM …] [--expires 2027-01-31]
       toolmeter keys create --collector --name NAME [--trusted]
       toolmeter keys list
       toolmeter keys revoke ID

Makes, lists and revokes API keys (for reading) and collector tokens (for posting). A key is shown once: only its hash is
kept. --trusted: what this collector says of callers counts as verified, and it may report costs.
`;

export async function run(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      role: { type: 'string' },
      team: { type: 'string', multiple: true },
      expires: { type: 'string' },
      collector: { type: 'boolean' },
      trusted: { type: 'boolean' },
      home: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [verb, id, ...rest] = positionals;
  const wrong = (): number => {
    process.stderr.write(USAGE);
    return 2;
  };
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (rest.length > 0) return wrong();
  const home = openHome(values.home ?? homePath());
  const keys = openApiKeys(home.path);
  const collectors = openOwnCollectors(home);
  switch (verb) {
    case 'create': {
      if (values.name === undefined || id !== undefined) return wrong();
      if (values.collector) {
        process.stdout.write(
          `${collectors.enrol({ name: values.name, trusted: values.trusted === true }).token}\n`,
        );
        return 0;
      }
      const expiresAt = values.expires === undefined ? null : new Date(values.expires);
      if (!ROLES.includes(values.role as Role) || Number.isNaN(expiresAt?.getTime())) return wrong();
      process.stdout.write(
        `${keys.create({ name: values.name, role: values.role as Role, teams: values.team ?? null, expiresAt }).key}\n`,
      );
      return 0;
    }
    case 'list': {
      if (id !== undefined) return wrong();
      const rows = [
        ...keys.list().map((key) => ({
          id: key.id,
          name: key.name,
          may: key.role as string,
          teams: key.teams?.join(', ') ?? 'all',
          created: key.created_at,
        })),
        ...collectors.list().map((one) => ({
          id: one.id,
          name: one.name,
          may: one.trusted ? 'post, trusted' : 'post',
          teams: '',
          created: one.created_at,
        })),
      ];
      process.stdout.write(
        `${table(rows, [
          { title: 'id', value: (row) => row.id },
          { title: 'name', value: (row) => row.name },
          { title: 'may', value: (row) => row.may },
          { title: 'teams', value: (row) => row.teams },
          { title: 'created', value: (row) => row.created },
        ])}\n`,
      );
      return 0;
    }
    case 'revoke': {
      if (id === undefined) return wrong();
      if (keys.revoke(id) || collectors.revoke(id)) {
        process.stdout.write(`${id} is revoked.\n`);
        return 0;
      }
      process.stderr.write(
        `toolmeter keys: there is no key or collector with the id "${id}"; toolmeter keys list shows them.\n`,
      );
      return 1;
    }
    default:
      return wrong();
  }
}
