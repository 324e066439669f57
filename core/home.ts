import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, hostname, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf, ToolmeterError } from './errors.ts';
import { uuidv7 } from './ids.ts';
import type { HashKey } from './keyed-hash.ts';

export { isDisabled } from './disabled.ts';

/** Default address of the ingest and query API of `toolmeter up`. */
export const DEFAULT_PORT = 7077;
export const DEFAULT_URL = `http://127.0.0.1:${DEFAULT_PORT}`;

type Env = Record<string, string | undefined>;

/** `$TOOLMETER_HOME`, or the folder for a program's data that the user's platform names. */
export function homePath(env: Env = process.env): string {
  if (env.TOOLMETER_HOME) return env.TOOLMETER_HOME;
  if (platform() === 'win32')
    return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'toolmeter');
  if (platform() === 'darwin') return join(homedir(), 'Library', 'Application Support', 'toolmeter');
  return join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'toolmeter');
}

/** What lies where under the home folder, and the keys that it holds. */
export interface Home {
  readonly path: string;
  /** One folder a spool. */
  readonly spools: string;
  /** The embedded log's SQLite file. */
  readonly log: string;
  /** The embedded ClickHouse's data folder. */
  readonly store: string;
  readonly keys: HomeKeys;
  /** The machine's collector token, `tmc_<collector id>_<secret>`. */
  readonly collectorToken: string;
}

export interface HomeKeys {
  /** Derives call ids that `wrap` and a `meter` inside it must agree on. */
  readonly call: HashKey;
  /** Keys the content hash. */
  readonly content: HashKey;
  /** Keys the pseudonyms; the newest of `keys/pseudonym-*`. */
  readonly pseudonym: HashKey;
}

/**
 * Opens the home folder, making what is missing (folders 0700, files 0600; whichever process comes first wins).
 * `TOOLMETER_KEYS` names a folder with a fleet's keys instead of the machine's own.
 * @throws ToolmeterError TM_HOME when the folder can't be made, read or written.
 */
export function openHome(path: string = homePath(), env: Env = process.env): Home {
  try {
    const keys = env.TOOLMETER_KEYS ?? join(path, 'keys');
    for (const folder of [path, keys, join(path, 'spools')]) makeFolder(folder);
    const pseudonyms = readdirSync(keys)
      .filter((name) => name.startsWith('pseudonym-'))
      .sort();
    return {
      path,
      spools: join(path, 'spools'),
      log: join(path, 'log.sqlite'),
      store: join(path, 'store'),
      keys: {
        call: readKey(join(keys, 'call')),
        content: readKey(join(keys, 'content')),
        pseudonym: readKey(
          join(keys, pseudonyms.at(-1) ?? `pseudonym-${new Date().toISOString().slice(0, 7)}`),
        ),
      },
      collectorToken:
        env.TOOLMETER_TOKEN ?? readOrMake(join(path, 'collector-token'), newCollectorToken).trim(),
    };
  } catch (error) {
    throw new ToolmeterError(
      'TM_HOME',
      `The folder ${path} can't be used: ${messageOf(error)}.`,
      'Set TOOLMETER_HOME to a folder that this user may write.',
    );
  }
}

/**
 * Makes a folder and those above it. Not by `recursive`: Node then tries for ever where a file system answers ENOENT
 * though the folder above is there (`/proc`), and the host's process with it.
 */
function makeFolder(path: string): void {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path && !existsSync(above)) makeFolder(above);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process may have been first.
    if (!isFolder(path)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A token by which a collector posts events: `tmc_<collector id>_<secret>`. */
export function newCollectorToken(): string {
  return `tmc_${uuidv7().replaceAll('-', '')}_${randomBytes(24).toString('hex')}`;
}

/** The collector id that a token carries, or null where the text isn't a collector token. */
export function collectorIdOf(token: string): string | null {
  return /^tmc_([0-9a-z-]{1,64})_[0-9a-f]{48}$/.exec(token)?.[1] ?? null;
}

/** Where collectors post when no brokers are configured. */
export function ingestUrl(env: Env = process.env): string {
  return env.TOOLMETER_URL ?? DEFAULT_URL;
}

/**
 * A stable id of this machine, hashed so that it can be stored: a spool folder that wakes up elsewhere is known
 * by it. `/etc/machine-id` (systemd's machine-id(5)) where there is one, else the host's name.
 */
export function machineId(): string {
  let source = `host:${hostname()}`;
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    if (existsSync(file)) {
      const text = readFileSync(file, 'utf8').trim();
      if (text !== '') {
        source = text;
        break;
      }
    }
  }
  return createHash('sha256').update(`toolmeter-machine:${source}`).digest('hex').slice(0, 32);
}

/** A key file holds one line, `<kid>:<secret as base64url>`. */
function readKey(file: string): HashKey {
  const text = readOrMake(
    file,
    () => `${uuidv7().slice(0, 13).replace('-', '')}:${randomBytes(32).toString('base64url')}`,
  ).trim();
  const cut = text.indexOf(':');
  const secret = Buffer.from(text.slice(cut + 1), 'base64url');
  if (cut < 1 || secret.length < 16)
    throw new Error(`${file} is not a key file ("<kid>:<base64url of at least 16 bytes>")`);
  return { kid: text.slice(0, cut), secret };
}

function readOrMake(file: string, make: () => string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, `${make()}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(file, 'utf8');
}
