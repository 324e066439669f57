import { mkdirSync, rmSync } from 'node:fs';
import { unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from 'chdb';
import { uuidv7 } from '../../core/ids.ts';
import { cannotOpen } from '../client.ts';
import { ClickHouseException } from './exception.ts';
import type { Statement } from './statement.ts';

/** One statement, ready to run. */
export interface Job {
  readonly statement: Statement;
  readonly database: string;
  readonly settings: ReadonlyMap<string, string>;
  /** Values of `{name:Type}`, as the interface has them: text, escaped as in TabSeparated. */
  readonly params: ReadonlyMap<string, string>;
  /** Of an answer whose statement names none. */
  readonly format: string;
  readonly readOnly: boolean;
  /** Rows of an insert, in its format. */
  readonly rows: Buffer;
  /** Cancels a reading statement. A writing one runs to its end. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly body: Buffer;
  readonly rows: number;
  readonly bytes: number;
  readonly elapsedS: number;
}

export interface Engine {
  readonly version: string;
  readonly timezone: string;
  readonly tableFunctions: readonly string[];
  /** @throws Error in ClickHouse's words */
  run(job: Job): Promise<Answer>;
  close(): Promise<void>;
}

/** How often a cancelled statement is asked to stop until it has: one that was not registered yet is not found. */
const KILL_PAUSE_MS = 100;

/**
 * The embedded engine in `path`. Each statement has a connection of its own (under a millisecond), so neither
 * settings, values nor database of one are seen by another; several run at once.
 * @param scratch folder for rows on their way in; what is in it is removed
 * @throws StoreError TM_STORE_IN_USE, TM_STORE_UNAVAILABLE
 */
export async function openEngine(path: string, scratch: string): Promise<Engine> {
  const { Session, drainPending } = await import('chdb');
  let control: Session;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    control = new Session(path);
  } catch (error) {
    throw cannotOpen(path, error);
  }
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  const ask = async (sql: string): Promise<string[]> =>
    (await control.queryAsync(sql, { format: 'TabSeparatedRaw' })).text().split('\n').slice(0, -1);
  const [version = '', timezone = ''] = await ask('SELECT arrayJoin([version(), timezone()])');
  const tableFunctions = await ask('SELECT name FROM system.table_functions');

  const runIn = async (session: Session, job: Job, tag: string): Promise<Answer> => {
    await prepare(session, job, tag);
    if (job.statement.kind === 'query') {
      const result = answerOf(await session.queryAsync(job.statement.sql, { format: job.format }));
      // The engine's own bound counts blocks as they are asked for: one that arrayJoin blows up gets by it.
      const max = Number(job.settings.get('max_result_bytes') ?? 0);
      if (max > 0 && result.body.length > max)
        throw new ClickHouseException(
          'TOO_MANY_ROWS_OR_BYTES',
          `Limit for result exceeded, max bytes: ${max}, current bytes: ${result.body.length}`,
        );
      return result;
    }
    if (job.rows.length === 0) return { body: Buffer.alloc(0), rows: 0, bytes: 0, elapsedS: 0 };
    const file = join(scratch, tag);
    try {
      await writeFile(file, job.rows, { mode: 0o600 });
      const { head, tail } = job.statement;
      const from = `FROM INFILE ${literal(file)} COMPRESSION 'none'`;
      return answerOf(await session.queryAsync(`${head} ${from} ${tail}`, { format: 'TabSeparated' }));
    } finally {
      await unlink(file).catch(() => undefined);
    }
  };

  return {
    version,
    timezone,
    tableFunctions,
    async run(job) {
      const tag = uuidv7();
      const session = new Session(path);
      let done = false;
      const kill = async (): Promise<void> => {
        while (!done) {
          await control
            .queryAsync(`KILL QUERY WHERE Settings['log_comment'] = ${literal(tag)} ASYNC`, {
              format: 'Null',
            })
            .catch(() => undefined);
          if (!done) await sleep(KILL_PAUSE_MS);
        }
      };
      const isReading = job.readOnly || /^(select|with)$/.test(wordOf(job.statement));
      const cancel = (): void => void kill();
      if (isReading) {
        if (job.signal.aborted) throw new ClickHouseException('QUERY_WAS_CANCELLED', 'Query was cancelled');
        job.signal.addEventListener('abort', cancel, { once: true });
      }
      try {
        return await runIn(session, job, tag);
      } finally {
        done = true;
        job.signal.removeEventListener('abort', cancel);
        session.close();
      }
    },
    async close() {
      await drainPending();
      control.close();
      await drainPending();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

const wordOf = (statement: Statement): string =>
  statement.kind === 'insert' ? 'insert' : statement.words[0];

/** Database, settings and values of one connection; read-only comes last: nothing can be changed after it. */
async function prepare(session: Session, job: Job, tag: string): Promise<void> {
  await session.queryAsync(`USE \`${job.database.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``);
  const settings = [...job.settings, ['log_comment', tag]].map(
    ([name, value = '']) => `${name} = ${literal(value)}`,
  );
  await session.queryAsync(`SET ${settings.join(', ')}`);
  for (const [name, value] of job.params) await session.queryAsync(`SET param_${name} = ${literal(value)}`);
  if (job.readOnly) await session.queryAsync('SET readonly = 1');
}

const literal = (text: string | undefined): string =>
  `'${(text ?? '').replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\0', '\\0')}'`;

interface Result {
  bytes(): Uint8Array;
  readonly rowsRead: number;
  readonly bytesRead: number;
  readonly elapsed: number;
}

function answerOf(result: Result): Answer {
  const bytes = result.bytes();
  return {
    body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    rows: result.rowsRead,
    bytes: result.bytesRead,
    elapsedS: result.elapsed,
  };
}
