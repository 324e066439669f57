import type { Statement } from './statement.ts';

/** The media type of an answer in this format, as ClickHouse's own server gives it. */
export function contentType(format: string): string {
  if (/^JSON(Each|CompactEach|StringsEach)?.*EachRow/.test(format))
    return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8; header=absent';
  if (/^(TabSeparated|TSV)/.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (/^(Native|RowBinary|Parquet|Arrow|ORC|Avro|MsgPack|Protobuf)/.test(format))
    return 'application/octet-stream';
  return 'text/plain; charset=UTF-8';
}

/** What `clickhouse-go` asks first: it reads the answer as its own newest revision has Native. */
const HELLO = 'selectdisplayname(),version(),revision(),timezone()';

export const isHello = (statement: Statement): boolean =>
  statement.kind === 'query' && statement.sql.replaceAll(/\s/g, '').toLowerCase() === HELLO;

/**
 * The answer to it: a block of the TCP protocol's revision 54454 or later, of one row, which says that this server's
 * revision is 0. The engine writes Native without a revision's additions (block info, a serialization's mark a
 * column), and that is how the client then reads it.
 */
export function helloBlock(
  name: string,
  engine: { readonly version: string; readonly timezone: string },
): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  };
  const column = (title: string, type: string, value: Buffer): Buffer =>
    Buffer.concat([text(title), text(type), Buffer.from([0]), value]);
  const info = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0]);
  return Buffer.concat([
    info,
    Buffer.from([4, 1]),
    column('displayName()', 'String', text(name)),
    column('version()', 'String', text(engine.version)),
    column('revision()', 'UInt32', Buffer.alloc(4)),
    column('timezone()', 'String', text(engine.timezone)),
  ]);
}
