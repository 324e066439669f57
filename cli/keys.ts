import { openOwnCollectors } from '../api/auth/collectors.ts';
import { openApiKeys } from '../api/auth/keys.ts';
import { ROLES, type Role } from '../api/auth/policy.ts';
import { ToolmeterError } from '../core/errors.ts';
import { type Home, homePath, openHome } from '../core/home.ts';
import { InstantSchema, instantMs } from '../schemas/prices.ts';
import { commandLine, usageError } from './command-line.ts';
import { table } from './table.ts';

const USAGE = `Usage: toolmeter keys create --name NAME --role ${ROLES.join('|')} [--team TEAM …] [--expires 2027-01-31]
       toolmeter keys create --collector --name NAME [--trusted]
       toolmeter keys list
       toolmeter keys revoke ID

Makes, lists and revokes API keys (for reading) and collector tokens (for posting). A key is shown once: only its hash is
kept. --trusted: what this collector says of callers counts as verified, and it may report costs.
`;

const OPTIONS = {
  name: { type: 'string' },
  role: { type: 'string' },
  team: { type: 'string', multiple: true },
  expires: { type: 'string' },
  collector: { type: 'boolean' },
  trusted: { type: 'boolean' },
  home: { type: 'string' },
} as const;

type Values = NonNullable<ReturnType<typeof commandLine<typeof OPTIONS>>>['values'];

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, OPTIONS, 2);
  if (line === null) return 0;
  const { values } = line;
  const [verb, id] = line.positionals;
  if (verb !== 'revoke' && id !== undefined) throw usageError(`nothing is known of "${id}"`);
  switch (verb) {
    case 'create':
      return create(values);
    case 'list':
      return list(values);
    case 'revoke':
      if (id === undefined) throw usageError('revoke which? "toolmeter keys list" shows the ids');
      return revoke(id, values);
    default:
      throw usageError(verb === undefined ? 'create, list or revoke?' : `there is no "${verb}"`);
  }
}

function create(values: Values): number {
  const make = values.collector ? newCollector(values) : newApiKey(values);
  process.stdout.write(`${make(openHome(values.home ?? homePath()))}\n`);
  return 0;
}

/** What was asked for, checked, and how to make it: nothing is made of a request that is wrong. */
function newCollector({ name, role, team, expires, trusted = false }: Values): (home: Home) => string {
  if (name === undefined) throw usageError('a collector token needs a --name');
  if (role !== undefined || team !== undefined || expires !== undefined)
    throw usageError('a collector token has no --role, --team or --expires: it only posts');
  return (home) => openOwnCollectors(home).enrol({ name, trusted }).token;
}

function newApiKey({ name, role, team, expires, trusted }: Values): (home: Home) => string {
  if (name === undefined) throw usageError('a key needs a --name');
  if (trusted) throw usageError('--trusted is for a --collector token');
  if (!isRole(role)) throw usageError(`--role takes one of ${ROLES.join(', ')}`);
  let expiresAt: Date | null = null;
  if (expires !== undefined) {
    const instant = InstantSchema.safeParse(expires);
    if (!instant.success)
      throw usageError('--expires takes a day (2027-01-31) or a time (2027-01-31T12:00:00Z)');
    expiresAt = new Date(instantMs(instant.data));
    if (expiresAt.getTime() <= Date.now()) throw usageError('--expires is in the past');
  }
  return (home) => openApiKeys(home.path).create({ name, role, teams: team ?? null, expiresAt }).key;
}

const isRole = (text: string | undefined): text is Role =>
  (ROLES as readonly (string | undefined)[]).includes(text);

function list(values: Values): number {
  const home = openHome(values.home ?? homePath());
  const rows = [
    ...openApiKeys(home.path)
      .list()
      .map((key) => ({
        id: key.id,
        name: key.name,
        may: key.role as string,
        teams: key.teams?.join(', ') ?? 'all',
        created: key.created_at,
        expires: key.expires_at ?? 'never',
      })),
    ...openOwnCollectors(home)
      .list()
      .map((one) => ({
        id: one.id,
        name: one.name,
        may: one.trusted ? 'post, trusted' : 'post',
        teams: '',
        created: one.created_at,
        expires: 'never',
      })),
  ];
  process.stdout.write(
    `${table(rows, [
      { title: 'id', value: (row) => row.id },
      { title: 'name', value: (row) => row.name },
      { title: 'may', value: (row) => row.may },
      { title: 'teams', value: (row) => row.teams },
      { title: 'created', value: (row) => row.created },
      { title: 'expires', value: (row) => row.expires },
    ])}\n`,
  );
  return 0;
}

function revoke(id: string, values: Values): number {
  const home = openHome(values.home ?? homePath());
  if (!openApiKeys(home.path).revoke(id) && !openOwnCollectors(home).revoke(id))
    throw new ToolmeterError(
      'TM_API_KEY_UNKNOWN',
      `There is no key or collector with the id "${id}".`,
      'toolmeter keys list shows them.',
    );
  process.stdout.write(`${id} is revoked.\n`);
  return 0;
}
