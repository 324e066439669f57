import { describe, expect, it, test } from 'vitest';
import { tokens } from '../../../store/server/lexer.ts';
import { forbiddenCalls, permit } from '../../../store/server/policy.ts';
import { readStatement } from '../../../store/server/statement.ts';

const codeOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return null;
};

describe('one statement', () => {
  test.each([
    ['SELECT 1'],
    ['SELECT 1;'],
    ['SELECT 1 ; ;\n-- the end; of it'],
    ['SELECT \';\' , `a;b`, "c;d"'],
    ["SELECT 'it''s; \\'; fine;'"],
    ["SELECT '‘ -- ’ é', team FROM calls"],
    ['SELECT 1 /* ; /* ; */ ; */'],
    ['SELECT $tag$ ; $tag$'],
    ['SELECT 1 # a; comment'],
    ['-- first;\nSELECT 1'],
  ])('%s', (sql) => {
    expect(readStatement(sql).kind).toBe('query');
  });

  test.each([
    ['SELECT 1; SELECT 2'],
    ['SELECT 1;/* */DROP TABLE t'],
    ["SELECT 'a\\\\'; DROP TABLE t"],
    ['SELECT `a``b`; DROP TABLE t'],
    ['SELECT 1 -- \n; DROP TABLE t'],
    ['SELECT 1 /* /* */ */; DROP TABLE t'],
    ['SELECT $$ $$; DROP TABLE t'],
    ['SELECT 1;\0DROP TABLE t'],
    [''],
    ['SELECT ‘ -- ’; DROP TABLE t'],
    ['SELECT “a”'],
    ['SELECT `f\\x69le`(1)'],
    [' -- nothing'],
    [';'],
  ])('not %s', (sql) => {
    expect(codeOf(() => readStatement(sql))).toBe(62);
  });

  it('a statement that never closes is read to its end, in linear time', () => {
    for (const piece of ["'", '`', '/*', '$a$', '/* */', "'';", '(', '-- \n', '#!', '"\\']) {
      const kinds = [...tokens(`SELECT 1 ${piece.repeat(200_000)}`)].length;
      expect(kinds).toBeGreaterThan(0);
    }
  });
});

describe('rows after an insert', () => {
  const parts = (sql: string): unknown => {
    const statement = readStatement(sql);
    if (statement.kind !== 'insert') return statement.kind;
    return [statement.head.trim(), statement.tail.trim(), sql.slice(statement.dataAt)];
  };
  test.each<[string, unknown]>([
    ['INSERT INTO t FORMAT CSV\n1;2', ['INSERT INTO t', 'FORMAT CSV', '1;2']],
    [
      'insert into t (a, b) format JSONEachRow {"a":";"}',
      ['insert into t (a, b)', 'FORMAT JSONEachRow', '{"a":";"}'],
    ],
    ['INSERT INTO t FORMAT Native\r\n\n', ['INSERT INTO t', 'FORMAT Native', '\n']],
    [
      "INSERT INTO t SETTINGS a = 'FORMAT x', b = 1 FORMAT TSV\n1",
      ['INSERT INTO t', "SETTINGS a = 'FORMAT x', b = 1  FORMAT TSV", '1'],
    ],
    ["INSERT INTO t VALUES (1, ';'); SELECT 2", ['INSERT INTO t', 'FORMAT Values', " (1, ';'); SELECT 2"]],
    [
      'INSERT INTO t (`values`, "format") VALUES (1)',
      ['INSERT INTO t (`values`, "format")', 'FORMAT Values', ' (1)'],
    ],
    ['INSERT INTO t SELECT 1', 'query'],
    ['INSERT INTO t WITH 1 AS x SELECT x FORMAT CSV', 'query'],
    ['INSERT INTO t (a) SELECT values FROM x', 'query'],
  ])('%s', (sql, expected) => {
    expect(parts(sql)).toEqual(expected);
  });

  it('a format is a name', () => {
    expect(codeOf(() => readStatement(`INSERT INTO t FORMAT ${'A'.repeat(65)} 1`))).toBe(73);
  });
});

describe('what may be asked', () => {
  const forbidden = forbiddenCalls(['file', 'url', 's3', 'numbers', 'executable', 'remote']);
  const asked = (sql: string, readOnly = true) =>
    codeOf(() => permit(readStatement(sql), { readOnly, forbidden }));

  test.each([
    ['SELECT count() FROM calls WHERE team = {team:String} FORMAT JSON'],
    ['WITH x AS (SELECT 1) SELECT * FROM x'],
    ['(SELECT 1) UNION ALL (SELECT 2)'],
    ['FROM calls SELECT team'],
    ['SELECT number FROM numbers(3)'],
    ['SHOW TABLES'],
    ['DESCRIBE TABLE calls'],
    ['EXPLAIN SELECT 1'],
    ['SELECT name FROM system.columns'],
    ["SELECT 'file(', url, s3 FROM calls -- url(1)"],
  ])('%s', (sql) => {
    expect(asked(sql)).toBeNull();
  });

  test.each([
    ['INSERT INTO t VALUES (1)', 164],
    ['INSERT INTO t SELECT 1', 164],
    ['DROP TABLE t', 164],
    ['ALTER TABLE t DELETE WHERE 1', 164],
    ['SYSTEM SHUTDOWN', 164],
    ['OPTIMIZE TABLE t', 164],
    ['SET readonly = 0', 497],
    ['USE system', 497],
    ['KILL QUERY WHERE 1', 497],
    ["SELECT * FROM file('/etc/passwd')", 497],
    ["SELECT File /* */ ('/etc/passwd')", 497],
    ["SELECT * FROM `url`('http://x')", 497],
    ["SELECT * FROM (SELECT * FROM s3 ('x'))", 497],
    ["SELECT * FROM executable('x')", 497],
    ["SELECT\u00a0file\u2003('/etc/passwd')", 497],
    ["SELECT 1file('/etc/passwd')", 497],
    ["SELECT * APPLY(file) FROM (SELECT '/etc/passwd')", 497],
    ["SELECT * APPLY `file` FROM (SELECT '/etc/passwd')", 497],
    ["SELECT * FROM '/etc/passwd'", 497],
    ['SELECT * FROM default.`/etc/passwd`', 497],
    ['SELECT * FROM system.users', 497],
    ['SELECT * FROM "system" . `query_log`', 497],
    ['SELECT * FROM SYSTEM.processes', 497],
    ['SHOW PROCESSLIST', 497],
    ['SHOW GRANTS', 497],
    ["SELECT 1 INTO OUTFILE '/tmp/x'", 358],
    ["INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 36],
  ])('not %s', (sql, code) => {
    expect(asked(sql)).toBe(code);
  });

  test.each([
    ['CREATE TABLE t (a Int8) ENGINE = File(CSV)', 497],
    ["CREATE TABLE t (a Int8) ENGINE = URL('http://x', CSV)", 497],
    ["INSERT INTO FUNCTION file('/tmp/x') SELECT 1", 497],
    ['INSERT INTO t VALUES (1)', null],
    ['DROP TABLE t', null],
    ['SELECT * FROM system.processes', null],
    [
      "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(HTTP(url 'http://x' format 'TSV')) LAYOUT(FLAT()) LIFETIME(0)",
      497,
    ],
    ["CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'web')", 497],
    ['ATTACH TABLE t', 497],
    ['SET max_execution_time = 0', 497],
  ])('read-write: %s is %s', (sql, code) => {
    expect(asked(sql, false)).toBe(code);
  });
});
