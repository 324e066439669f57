import { openOwnCollectors } from '../api/auth/collectors.ts';
import { openApiKeys } from '../api/auth/keys.ts';
import { ROLES, type Role } from '../api/auth/policy.ts';
import { openCallerKeys } from '../collectors/gateway/callers.ts';
import { ToolmeterError } from '../core/errors.ts';
import { type Home, homePath, openHome } from '../core/home.ts';
import { InstantSchema, instantMs } from '../schemas/prices.ts';
import { callerKeysFile } from './caller-keys-file.ts';
import { commandLine, usageError } from './command-line.ts';
import { configFile, loadSettings } from './settings.ts';
import { table } from './table.ts';

const USAGE = `Usage: toolmeter keys create --name NAME --role ${ROLES.join('|')} [--team TEAM …] [--expires 2027-01-31]
       toolmeter keys create --collector --name NAME [--trusted]
       toolmeter keys create --caller NAME [--team TEAM] [--expires 2027-01-31]
       toolmeter keys list
       toolmeter keys revoke ID

Makes, lists and revokes API keys (for reading), collector tokens (for posting) and the gateway's callers' keys. A key is
shown once: only its hash is kept. A caller may have several, so that one can be replaced while it is in use. --trusted: what this collector says of callers counts as verified, and it may report costs.
`;

const OPTIONS = {
  name: { type: 'string' },
  role: { type: 'string' },
  team: { type: 'string', multiple: true },
  expires: { type: 'string' },
  collector: { type: 'boolean' },
  caller: { type: 'string' },
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
  const make =
    values.caller !== undefined
      ? newCallerKey(values, values.caller)
      : values.collector
        ? newCollector(values)
        : newApiKey(values);
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
  const expiresAt = expiryOf(expires);
  return (home) => openApiKeys(home.path).create({ name, role, teams: team ?? null, expiresAt }).key;
}

function newCallerKey(
  { name, role, team = [], expires, trusted, collector }: Values,
  caller: string,
): (home: Home) => string {
  if (name !== undefined || role !== undefined || trusted || collector)
    throw usageError("a caller's key has no --name, --role, --trusted or --collector");
  if (team.length > 1) throw usageError('a caller is of one team');
  const expiresAt = expiryOf(expires);
  return (home) => openCallers(home).create({ caller, team: team[0] ?? null, expiresAt }).key;
}

/** The file that the gateway of the same configuration reads. */
function openCallers(home: Home): ReturnType<typeof openCallerKeys> {
  return openCallerKeys(callerKeysFile(loadSettings(configFile(undefined)), home));
}

function expiryOf(expires: string | undefined): Date | null {
  if (expires === undefined) return null;
  const instant = InstantSchema.safeParse(expires);
  if (!instant.success)
    throw usageError('--expires takes a day (2027-01-31) or a time (2027-01-31T12:00:00Z)');
  const expiresAt = new Date(instantMs(instant.data));
  if (expiresAt.getTime() <= Date.now()) throw usageError('--expires is in the past');
  return expiresAt;
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
    ...openCallers(home)
      .list()
      .map((key) => ({
        id: key.id,
        name: key.caller,
        may: 'call',
        teams: key.team ?? '',
        created: key.created_at,
        expires: key.expires_at ?? 'never',
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
  const revoked =
    openApiKeys(home.path).revoke(id) || openOwnCollectors(home).revoke(id) || openCallers(home).revoke(id);
  if (!revoked)
    throw new ToolmeterError(
      'TM_API_KEY_UNKNOWN',
      `There is no key or collector with the id "${id}".`,
      'toolmeter keys list shows them.',
    );
  process.stdout.write(`${id} is revoked.\n`);
  return 0;
}
