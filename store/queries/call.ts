import { formatUsd, parseUsd } from '../../core/money.ts';
import type { CallDetail, StoredCall } from '../../schemas/api.ts';
import { MeteredCallSchema } from '../../schemas/metered-call.ts';
import type { StoreClient } from '../client.ts';
import { SUMMARY_COLUMNS, summaryOf } from './calls.ts';

const COLUMNS = [...Object.keys(MeteredCallSchema.shape), 'log_id', 'partition', 'offset', 'recorded_at'];
const NUMBERS = [
  'seq',
  'duration_us',
  'arguments_bytes',
  'result_bytes',
  'media_bytes',
  'tokens_arguments',
  'tokens_result',
  'tokens_definitions',
] as const;
/** How many observations and adjustments of one call are given. */
const MAX_RELATED = 1_000;

type Raw = Record<string, unknown>;

/**
 * One observation by its `event_id`, or the counted one of a `call_id` (where none counts: the first), with the other
 * observations of the call and every adjustment; null where there is none.
 */
export async function call(client: StoreClient, id: string): Promise<CallDetail | null> {
  const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id);
  const [found] = await client.query<Raw>(
    `SELECT ${COLUMNS.join(', ')} FROM calls
     WHERE ${isUuid ? '(event_id = toUUID({id:String}) OR call_id = {id:String})' : 'call_id = {id:String}'}
       AND (kind = 'call' OR ${isUuid ? 'event_id = toUUID({id:String})' : '0'})
     ORDER BY ${isUuid ? 'event_id = toUUID({id:String}) DESC,' : ''} counted DESC, ts, offset LIMIT 1`,
    { id },
  );
  if (found === undefined) return null;
  const row = storedOf(found);
  const others = await client.query<Raw>(
    `SELECT ${SUMMARY_COLUMNS.join(', ')} FROM calls
     WHERE call_id = {call_id:String} AND kind = 'call' AND event_id != toUUID({event_id:String})
     ORDER BY ts, event_id LIMIT {max:UInt32}`,
    { call_id: row.call_id, event_id: row.event_id, max: MAX_RELATED },
  );
  const adjustments = await client.query<CallDetail['adjustments'][number]>(
    `SELECT event_id, reason, recorded_at, cost_usd, cost_lines FROM calls
     WHERE adjusts = {event_id:String} AND kind = 'adjustment'
     ORDER BY recorded_at, offset LIMIT {max:UInt32}`,
    { event_id: row.event_id, max: MAX_RELATED },
  );
  const now = [row, ...adjustments].reduce((sum, { cost_usd }) => sum + parseUsd(cost_usd)!, 0n);
  return { call: row, observations: others.map(summaryOf), adjustments, cost_usd_now: formatUsd(now) };
}

function storedOf(row: Raw): StoredCall {
  for (const name of NUMBERS) row[name] = Number(row[name]);
  return row as StoredCall;
}
