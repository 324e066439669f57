import { ToolmeterError } from '../../core/errors.ts';
import type { DeadLettersFilter, DeadLettersResult, StoredDeadLetter } from '../../schemas/api.ts';
import type { StoreClient } from '../client.ts';
import { count, MILLIS, micros, Where } from './sql.ts';

/** Dead letters by the time of their record, newest first, and how many of each code in the whole range. */
export async function deadLetters(
  client: StoreClient,
  filter: DeadLettersFilter,
): Promise<DeadLettersResult> {
  const where = new Where().add(`recorded_at >= ${MILLIS('from')} AND recorded_at < ${MILLIS('to')}`, {
    from: (micros(filter.from) / 1000n).toString(),
    to: (micros(filter.to) / 1000n).toString(),
  });
  if (filter.code !== undefined) where.add('code = {code:String}', { code: filter.code });
  if (filter.collector !== undefined)
    where.add('collector = {collector:String}', { collector: filter.collector });
  const byCode = await client.query<{ code: string; n: string }>(
    `SELECT code, count() AS n FROM dead_letters WHERE ${where.sql} GROUP BY code ORDER BY n DESC, code`,
    where.params,
  );
  if (filter.cursor !== undefined) {
    const after = readCursor(filter.cursor);
    where.add(
      `(recorded_at, partition, offset) < (${MILLIS('after_ms')}, {after_partition:UInt32}, {after_offset:UInt64})`,
      { after_ms: after[0]!, after_partition: after[1]!, after_offset: after[2]! },
    );
  }
  const found = await client.query<StoredDeadLetter & { value_bytes: string }>(
    `SELECT partition, offset, recorded_at, code, message, hint, failed_at, raw_partition, raw_offset, collector,
       instance, epoch, lane, seq, value_bytes
     FROM dead_letters WHERE ${where.sql}
     ORDER BY recorded_at DESC, partition DESC, offset DESC LIMIT {page:UInt32}`,
    { ...where.params, page: filter.limit + 1 },
  );
  const rows = found.slice(0, filter.limit).map((row) => ({ ...row, value_bytes: count(row.value_bytes) }));
  const last = rows.at(-1);
  return {
    rows,
    next: found.length > filter.limit && last !== undefined ? cursorAfter(last) : null,
    by_code: byCode.map(({ code, n }) => ({ code, count: count(n) })),
  };
}

const cursorAfter = (row: StoredDeadLetter): string =>
  Buffer.from(`${Date.parse(row.recorded_at)} ${row.partition} ${row.offset}`).toString('base64url');

function readCursor(cursor: string): string[] {
  const match = /^(\d{1,15}) (\d{1,10}) (\d{1,20})$/.exec(
    Buffer.from(cursor, 'base64url').toString('latin1'),
  );
  if (match === null) {
    throw new ToolmeterError(
      'TM_QUERY_CURSOR',
      'The cursor is not one of ours.',
      'Pass `next` of the page before as it is.',
    );
  }
  return match.slice(1);
}
