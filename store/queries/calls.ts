import { ToolmeterError } from '../../core/errors.ts';
import {
  type CallSummary,
  CallSummarySchema,
  type CallsFilter,
  type CallsResult,
} from '../../schemas/api.ts';
import type { StoreClient } from '../client.ts';
import { hourFloor, MICROS, micros, SECONDS, Where } from './sql.ts';

/** Columns of a summary, by the names of its shape. */
export const SUMMARY_COLUMNS = Object.keys(CallSummarySchema.shape);
/** Columns that ClickHouse gives as text, being 64-bit, and the shape has as numbers. */
const NUMBERS = [
  'duration_us',
  'arguments_bytes',
  'result_bytes',
  'tokens_arguments',
  'tokens_result',
  'tokens_definitions',
] as const;

/** Observations, newest first, a page at a time. A cursor goes on where the page before ended, whatever has come in. */
export async function calls(client: StoreClient, filter: CallsFilter): Promise<CallsResult> {
  const where = new Where().eventTime(filter.from, filter.to).labels(filter.where);
  if (filter.outcome !== undefined)
    where.add('outcome IN {outcome:Array(String)}', { outcome: filter.outcome });
  if (filter.vantage !== undefined) where.add('vantage = {vantage:String}', { vantage: filter.vantage });
  if (filter.method !== undefined) where.add('method = {method:String}', { method: filter.method });
  if (filter.session_id !== undefined)
    where.add('session_id = {session_id:String}', { session_id: filter.session_id });
  if (filter.trace_id !== undefined) where.add('trace_id = {trace_id:String}', { trace_id: filter.trace_id });
  if (filter.pii !== undefined) where.add('mapContains(pii, {pii:String})', { pii: filter.pii });
  if (filter.counted !== undefined)
    where.add('counted = {counted:UInt8}', { counted: filter.counted ? 1 : 0 });
  if (filter.min_duration_us !== undefined) {
    where.add('duration_us >= {min_duration_us:UInt64}', { min_duration_us: filter.min_duration_us });
  }
  if (filter.cursor !== undefined) {
    const after = readCursor(filter.cursor);
    where.add(
      `toStartOfHour(ts) <= ${SECONDS('after_hour')}
       AND (ts < ${MICROS('after_us')} OR (ts = ${MICROS('after_us')} AND toString(event_id) < {after_id:String}))`,
      { after_hour: hourFloor(after.us), after_us: after.us.toString(), after_id: after.eventId },
    );
  }
  const found = await client.query<Record<string, unknown>>(
    `SELECT ${SUMMARY_COLUMNS.join(', ')} FROM calls WHERE ${where.sql}
     ORDER BY toStartOfHour(ts) DESC, ts DESC, toString(event_id) DESC
     LIMIT {page:UInt32}`,
    { ...where.params, page: filter.limit + 1 },
  );
  const rows = found.slice(0, filter.limit).map(summaryOf);
  const last = rows.at(-1);
  return { rows, next: found.length > filter.limit && last !== undefined ? cursorAfter(last) : null };
}

/** A row of `SUMMARY_COLUMNS` as its shape has it. */
export function summaryOf(row: Record<string, unknown>): CallSummary {
  for (const name of NUMBERS) row[name] = Number(row[name]);
  return row as CallSummary;
}

const cursorAfter = (row: CallSummary): string =>
  Buffer.from(`${micros(row.ts)} ${row.event_id}`).toString('base64url');

function readCursor(cursor: string): { us: bigint; eventId: string } {
  const match = /^(\d{1,18}) ([0-9a-f-]{36})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (match === null) {
    throw new ToolmeterError(
      'TM_QUERY_CURSOR',
      'The cursor is not one of ours.',
      'Pass `next` of the page before as it is.',
    );
  }
  return { us: BigInt(match[1]!), eventId: match[2]! };
}
