import { ToolmeterError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { StoreClient } from './client.ts';

const DAY_MS = 86_400_000;
/** A staging table older than this was left by a process that died. */
const STAGING_STALE_S = 3_600;

/** The log whose ticks say when a day is closed, and how many partitions it has now. */
export interface LogShape {
  readonly logId: string;
  readonly partitions: number;
}

/** Recorded days are UTC days, `YYYY-MM-DD`. */
export type Day = string;

const dayOf = (ms: number): Day => new Date(ms).toISOString().slice(0, 10);
const startOf = (day: Day): number => Date.parse(`${day}T00:00:00Z`);

/** A day's own text in SQL, where a statement takes no bound value (partition names). */
function literal(day: Day): string {
  if (!/^\d{4}-\d\d-\d\d$/.test(day)) throw new ToolmeterError('TM_SEAL_DAY', `"${day}" is not a day.`);
  return `'${day}'`;
}

/** Days from `first` up to, not including, `end`. */
export function daysBetween(first: Day, end: Day): Day[] {
  const days: Day[] = [];
  for (let ms = startOf(first); ms < startOf(end); ms += DAY_MS) days.push(dayOf(ms));
  return days;
}

/**
 * The first recorded day that is still open: the day of the oldest of all partitions' newest ticks. Every day before
 * it is closed, since a partition's recorded times never decrease and its rows are stored before its ticks. Null while
 * a partition has no tick yet.
 */
export async function openDay(client: StoreClient, log: LogShape): Promise<Day | null> {
  const [row] = await client.query<{ partitions: string; watermark: string }>(
    `SELECT count() AS partitions, toUnixTimestamp64Milli(min(newest)) AS watermark
     FROM (SELECT max(recorded_at) AS newest FROM ticks
           WHERE log_id = {log_id:String} AND partition < {partitions:UInt32} GROUP BY partition)`,
    { log_id: log.logId, partitions: log.partitions },
  );
  if (row === undefined || Number(row.partitions) < log.partitions) return null;
  return dayOf(Number(row.watermark));
}

/** Closed days without a seal, in order, from the first day that has anything recorded. */
export async function daysToSeal(client: StoreClient, log: LogShape): Promise<Day[]> {
  const end = await openDay(client, log);
  if (end === null) return [];
  const [row] = await client.query<{ next: string; first_row: string; any: number }>(
    `WITH (SELECT arraySort(groupUniqArray(day)) FROM calls_hourly WHERE marker = true) AS days
     SELECT
       if(empty(days), '', toString(days[1] + arrayCount((d, i) -> d = days[1] + (i - 1), days, arrayEnumerate(days)))) AS next,
       (SELECT toString(toDate(min(recorded_at), 'UTC')) FROM calls) AS first_row,
       (SELECT count() > 0 FROM calls) AS any`,
  );
  const first = row === undefined || row.next === '' ? (row?.any ? row.first_row : end) : row.next;
  return daysBetween(first, end);
}

/**
 * Seals one closed day: its rollup is made aside and put in place whole, with the marker that says so. Doing it again
 * gives the same, as long as the day's rows are there.
 */
export async function sealDay(client: StoreClient, day: Day): Promise<void> {
  const staging = `calls_hourly_staging_${uuidv7().replaceAll('-', '')}`;
  await client.command(`CREATE TABLE ${staging} AS calls_hourly`);
  try {
    await client.command(
      `INSERT INTO ${staging} (${ROLLUP.join(', ')}, marker, sealed_at)
       SELECT ${ROLLUP.join(', ')}, false, now64(3) FROM calls_live WHERE day = {day:Date}
       SETTINGS max_bytes_before_external_group_by = 268435456, max_partitions_per_insert_block = 1`,
      { day },
    );
    await insertMarker(client, staging, day);
    await client.command(`ALTER TABLE calls_hourly REPLACE PARTITION ${literal(day)} FROM ${staging}`);
  } finally {
    await client.command(`DROP TABLE IF EXISTS ${staging} SYNC`);
  }
}

function insertMarker(client: StoreClient, table: string, day: Day): Promise<void> {
  return client.command(`INSERT INTO ${table} (day, marker, sealed_at) SELECT {day:Date}, true, now64(3)`, {
    day,
  });
}

/** Columns of `calls_live`, which a seal writes down. */
const ROLLUP = [
  'day',
  'hour',
  'team',
  'cost_center',
  'project',
  'environment',
  'caller',
  'server',
  'tool',
  'model',
  'cost_basis',
  'counted_rows',
  'calls',
  'errors',
  'duration_us',
  'tokens_arguments',
  'tokens_result',
  'tokens_definitions',
  'cost_usd',
  'cost_reported_usd',
  'cost_metered_usd',
  'cost_estimated_usd',
] as const;

/** A day that was sealed, and how long that took, milliseconds. */
export interface SealedDay {
  readonly day: Day;
  readonly empty: boolean;
  readonly millis: number;
}

/**
 * Seals every closed day that has no seal, in order; resolves with them. A day without rows is its marker only.
 * @param onSealed Told after each.
 */
export async function sealClosedDays(
  client: StoreClient,
  shape: LogShape,
  log: Log,
  onSealed?: (sealed: SealedDay) => void,
): Promise<Day[]> {
  await dropStaleStaging(client);
  const days = await daysToSeal(client, shape);
  if (days.length === 0) return days;
  const counted = await client.query<{ day: Day }>(
    `SELECT DISTINCT toString(c.day) AS day FROM calls_live AS c WHERE c.day >= {from:Date} AND c.day <= {to:Date}`,
    { from: days[0]!, to: days.at(-1)! },
  );
  const busy = new Set(counted.map((row) => row.day));
  for (const day of days) {
    const begun = performance.now();
    const empty = !busy.has(day);
    if (empty) await insertMarker(client, 'calls_hourly', day);
    else await sealDay(client, day);
    log.info({ day, empty }, 'recorded day sealed');
    onSealed?.({ day, empty, millis: performance.now() - begun });
  }
  return days;
}

async function dropStaleStaging(client: StoreClient): Promise<void> {
  const stale = await client.query<{ name: string }>(
    `SELECT name FROM system.tables
     WHERE database = currentDatabase() AND match(name, '^calls_hourly_staging_[0-9a-f]{32}$')
       AND metadata_modification_time < now() - toIntervalSecond({stale:UInt32})`,
    { stale: STAGING_STALE_S },
  );
  for (const { name } of stale) await client.command(`DROP TABLE IF EXISTS ${name} SYNC`);
}

/** A sealed day whose rollup and rows disagree. */
export interface SealDifference {
  readonly day: Day;
  readonly sealed: Readonly<Record<string, string>>;
  readonly base: Readonly<Record<string, string>>;
}

const CHECKED = [
  'counted_rows',
  'calls',
  'errors',
  'tokens',
  'cost_usd',
  'cost_reported_usd',
  'cost_metered_usd',
  'cost_estimated_usd',
] as const;

/**
 * Compares sealed days, `from` ≤ day < `to`, with their rows: counts, tokens and decimals must be equal. Ask only for
 * days whose rows have not been dropped.
 */
export async function checkSeals(
  client: StoreClient,
  range: { from: Day; to: Day },
): Promise<SealDifference[]> {
  const sums = CHECKED.map((name) =>
    name === 'tokens'
      ? 'sum(tokens_arguments + tokens_result + tokens_definitions) AS tokens'
      : `sum(r.${name}) AS ${name}`,
  ).join(', ');
  const rows = await client.query<{ day: string; source: 'sealed' | 'base' } & Record<string, string>>(
    `SELECT toString(r.day) AS day, 'sealed' AS source, ${sums} FROM calls_hourly AS r
     WHERE r.marker = false AND r.day >= {from:Date} AND r.day < {to:Date} GROUP BY r.day
     UNION ALL
     SELECT toString(r.day) AS day, 'base' AS source, ${sums} FROM calls_live AS r
     WHERE r.day >= {from:Date} AND r.day < {to:Date}
       AND r.day IN (SELECT day FROM calls_hourly WHERE marker = true) GROUP BY r.day`,
    { from: range.from, to: range.to },
  );
  const days = new Map<string, { sealed?: Record<string, string>; base?: Record<string, string> }>();
  for (const { day, source, ...sum } of rows) days.set(day, { ...days.get(day), [source]: sum });
  return [...days]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .filter(([, { sealed, base }]) => CHECKED.some((name) => sealed?.[name] !== base?.[name]))
    .map(([day, { sealed, base }]) => ({ day, sealed: sealed ?? {}, base: base ?? {} }));
}
