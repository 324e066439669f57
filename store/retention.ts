import { ToolmeterError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { StoreClient } from './client.ts';
import { checkSeals, type Day } from './seal.ts';

export interface RetentionOptions {
  /** Captured text of arguments and results, days since it was recorded. */
  readonly contentDays: number;
  /** Rows of `calls`, whole months; the rollup stays. */
  readonly callsMonths: number;
  /** Reasons of dead letters, days. */
  readonly deadLetterDays: number;
}

export interface RetentionResult {
  readonly contentDays: { before: number; after: number } | null;
  /** Months dropped, `YYYYMM`. */
  readonly dropped: number[];
  /** Months that are old enough and were kept, and why. */
  readonly kept: { month: number; why: 'not sealed' | 'rollup differs' }[];
}

const CONTENT = ['arguments_text', 'result_text'] as const;

/**
 * Makes the store forget what is old enough. Content goes by the columns' own TTL. Rows go by whole months, and only
 * months whose every day is sealed and whose rollup equals them: nothing that a report counts is ever lost.
 */
export async function applyRetention(
  client: StoreClient,
  options: RetentionOptions,
  nowMs: number,
  log: Log,
): Promise<RetentionResult> {
  const contentDays = await setContentTtl(client, options.contentDays);
  if (contentDays !== null) log.info(contentDays, 'content retention changed');
  const dropped: number[] = [];
  const kept: RetentionResult['kept'] = [];
  for (const month of await monthsOf(client, 'calls')) {
    if (month >= monthBefore(nowMs, options.callsMonths)) continue;
    if (!(await isSealed(client, month))) {
      kept.push({ month, why: 'not sealed' });
    } else if ((await checkSeals(client, daysOfMonth(month))).length > 0) {
      kept.push({ month, why: 'rollup differs' });
    } else {
      await dropMonth(client, 'calls', month);
      dropped.push(month);
    }
  }
  const deadBefore = nowMs - options.deadLetterDays * 86_400_000;
  for (const month of await monthsOf(client, 'dead_letters')) {
    if (Date.parse(`${daysOfMonth(month).to}T00:00:00Z`) <= deadBefore)
      await dropMonth(client, 'dead_letters', month);
  }
  if (dropped.length > 0) log.info({ months: dropped }, 'old months of calls dropped');
  if (kept.length > 0) log.error({ months: kept }, 'old months of calls can not be dropped');
  return { contentDays, dropped, kept };
}

/** The content columns' TTL in days as the table has it now. */
export async function contentTtlDays(client: StoreClient): Promise<number> {
  const [table] = await client.query<{ sql: string }>(
    "SELECT create_table_query AS sql FROM system.tables WHERE database = currentDatabase() AND name = 'calls'",
  );
  const days = CONTENT.map((column) =>
    Number(
      new RegExp(
        `\`?${column}\`? String[^\n]*?TTL [^\n]*?(?:toIntervalDay\\((\\d+)\\)|INTERVAL (\\d+) DAY)`,
      ).exec(table?.sql ?? '')?.[1],
    ),
  );
  const first = days[0]!;
  if (days.some((day) => !Number.isInteger(day) || day !== first)) {
    throw new ToolmeterError(
      'TM_RETENTION_TTL',
      'The content columns of `calls` have a TTL that is not one of ours.',
      'Run `toolmeter migrate`, or put the TTL back.',
    );
  }
  return first;
}

async function setContentTtl(
  client: StoreClient,
  days: number,
): Promise<{ before: number; after: number } | null> {
  if (!Number.isInteger(days) || days < 1) {
    throw new ToolmeterError(
      'TM_RETENTION_DAYS',
      `${days} is not a number of days.`,
      'Set retention.content_days.',
    );
  }
  const before = await contentTtlDays(client);
  if (before === days) return null;
  const columns = CONTENT.map(
    (column) =>
      `MODIFY COLUMN ${column} String CODEC(ZSTD(1)) TTL toDateTime(recorded_at, 'UTC') + INTERVAL ${days} DAY`,
  );
  await client.command(`ALTER TABLE calls ${columns.join(', ')}`);
  return { before, after: days };
}

/** Whether a recorded month is over, nothing can come to it any more, and each of its rows is in a sealed day. */
async function isSealed(client: StoreClient, month: number): Promise<boolean> {
  const { from, to } = daysOfMonth(month);
  const [row] = await client.query<{ over: number; outside: string }>(
    `WITH (SELECT (first, horizon) FROM seal_horizon) AS sealed
     SELECT sealed.2 >= {to:Date} AS over,
       countIf(toDate(recorded_at, 'UTC') < sealed.1 OR toDate(recorded_at, 'UTC') >= sealed.2) AS outside
     FROM calls WHERE toDate(recorded_at, 'UTC') >= {from:Date} AND toDate(recorded_at, 'UTC') < {to:Date}`,
    { from, to },
  );
  return row !== undefined && row.over === 1 && row.outside === '0';
}

async function monthsOf(client: StoreClient, table: 'calls' | 'dead_letters'): Promise<number[]> {
  const rows = await client.query<{ partition_id: string }>(
    `SELECT DISTINCT partition_id FROM system.parts
     WHERE database = currentDatabase() AND table = {table:String} AND active ORDER BY partition_id`,
    { table },
  );
  return rows.map((row) => Number(row.partition_id));
}

async function dropMonth(client: StoreClient, table: 'calls' | 'dead_letters', month: number): Promise<void> {
  if (!Number.isInteger(month) || month < 190_001 || month > 299_912) {
    throw new ToolmeterError('TM_RETENTION_MONTH', `${month} is not a month.`);
  }
  await client.command(`ALTER TABLE ${table} DROP PARTITION ID '${month}'`);
}

/** The month that is `months` before the current one: older ones go. */
export function monthBefore(nowMs: number, months: number): number {
  const now = new Date(nowMs);
  const at = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1));
  return at.getUTCFullYear() * 100 + at.getUTCMonth() + 1;
}

/** First day of a month, and of the next. */
export function daysOfMonth(month: number): { from: Day; to: Day } {
  const year = Math.floor(month / 100);
  const index = (month % 100) - 1;
  const day = (at: number): Day => new Date(at).toISOString().slice(0, 10);
  return { from: day(Date.UTC(year, index, 1)), to: day(Date.UTC(year, index + 1, 1)) };
}
