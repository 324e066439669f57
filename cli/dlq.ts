import { ToolmeterError } from '../core/errors.ts';
import { homePath, openHome } from '../core/home.ts';
import type { EventLog, LogRecord } from '../eventlog/port.ts';
import { type DeadLetter, readDeadLetter } from '../schemas/dead-letter.ts';
import { partitionsAt } from '../schemas/partition.ts';
import { HEADER } from '../schemas/record.ts';
import { TOPICS } from '../schemas/topics.ts';
import { makeLogger } from '../telemetry/logger.ts';
import { commandLine, PLACES, usageError } from './command-line.ts';
import { openLog } from './roles/log.ts';
import { configFile, loadSettings } from './settings.ts';
import { table } from './table.ts';

const USAGE = `Usage: toolmeter dlq list [--code CODE] [--json]
       toolmeter dlq replay (--all | --code CODE | --id PARTITION:OFFSET …)

Lists events that could not be processed, or sends them through the processors again: after their cause has been mended
they become calls, once, however often they are replayed.

  --config FILE, --home FOLDER   as for toolmeter up
`;

const OPTIONS = {
  ...PLACES,
  code: { type: 'string' },
  id: { type: 'string', multiple: true },
  all: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

interface Letter {
  readonly id: string;
  readonly letter: DeadLetter;
  readonly rawHeaders: Record<string, string>;
  readonly source: LogRecord;
}

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, OPTIONS, 1);
  if (line === null) return 0;
  const { values, positionals } = line;
  const [verb] = positionals;
  if (verb !== 'list' && verb !== 'replay')
    throw usageError(verb === undefined ? 'list or replay?' : `there is no "${verb}"`);
  const chosen = values.all || values.code !== undefined || values.id !== undefined;
  if (verb === 'replay' && !chosen) throw usageError('replay which? --all, --code or --id says so');
  const settings = loadSettings(configFile(values.config));
  const log = makeLogger({ level: settings.config.telemetry.level, name: 'dlq' });
  const eventLog = await openLog(settings, openHome(values.home ?? homePath()), log);
  try {
    const wanted = values.id === undefined ? null : new Set(values.id);
    const missing = new Set(wanted);
    const letters: Letter[] = [];
    for await (const letter of deadLetters(eventLog)) {
      if (values.code !== undefined && letter.letter.code !== values.code) continue;
      if (wanted !== null && !wanted.has(letter.id)) continue;
      missing.delete(letter.id);
      letters.push(letter);
    }
    if (missing.size > 0)
      throw new ToolmeterError(
        'TM_DLQ_UNKNOWN',
        `There is no dead letter ${[...missing].join(', ')}${values.code === undefined ? '' : ` of code ${values.code}`}.`,
        '"toolmeter dlq list" shows their ids.',
      );
    if (verb === 'list') list(letters, values.json === true);
    else await replay(eventLog, letters);
    return 0;
  } finally {
    await eventLog.close();
  }
}

async function* deadLetters(eventLog: EventLog): AsyncGenerator<Letter> {
  const partitions = partitionsAt(await eventLog.schedule(), Date.now());
  for (let partition = 0; partition < partitions; partition++) {
    for await (const source of eventLog.scan(TOPICS.dlq, partition)) {
      const read = readDeadLetter(source.headers);
      if (read !== null) yield { id: `${partition}:${source.offset}`, ...read, source };
    }
  }
}

function list(letters: readonly Letter[], json: boolean): void {
  if (json) {
    for (const { id, letter, rawHeaders, source } of letters) {
      process.stdout.write(
        `${JSON.stringify({ id, ...letter, headers: rawHeaders, value_bytes: source.value?.length ?? 0 })}\n`,
      );
    }
    return;
  }
  if (letters.length === 0) process.stdout.write('No dead letters.\n');
  else {
    process.stdout.write(
      `${table(letters, [
        { title: 'id', value: ({ id }) => id },
        { title: 'failed at', value: ({ letter }) => letter.failed_at },
        { title: 'code', value: ({ letter }) => letter.code },
        { title: 'bytes', value: ({ source }) => String(source.value?.length ?? 0), right: true },
        { title: 'message', value: ({ letter }) => letter.message },
      ])}\n`,
    );
  }
}

/** The raw records again, as they were, in their own partitions; dedupe lets each fill its place once. */
async function replay(eventLog: EventLog, letters: readonly Letter[]): Promise<void> {
  const results = await eventLog.append(
    letters.map(({ letter, rawHeaders, source }) => ({
      // What the store refused had been processed: it goes to the sink again, not through the stages.
      topic: letter.code.startsWith('TM_STORE_') ? TOPICS.calls : TOPICS.raw,
      partition: letter.raw_partition,
      value: source.value,
      headers: { ...rawHeaders, [HEADER.replayOf]: rawHeaders[HEADER.replayOf] ?? source.offset.toString() },
    })),
  );
  const refused = results.filter(({ ok }) => !ok).length;
  process.stdout.write(
    `${results.length - refused} replayed${refused > 0 ? `, ${refused} too large for the log` : ''}.\n`,
  );
}
