import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvText } from '../../api/csv.ts';
import { negotiate } from '../../api/negotiate.ts';

test.each([
  [undefined, 'json'],
  ['', 'json'],
  ['*/*', 'json'],
  ['text/csv', 'csv'],
  ['TEXT/CSV; charset=utf-8', 'csv'],
  ['text/*', 'csv'],
  ['application/json;q=0.1, text/csv;q=0.2', 'csv'],
  ['text/csv;q=0.2, */*', 'json'],
  ['text/csv;q=0', null],
  ['text/html', null],
  ['application/json;q=0, */*;q=0.5', 'csv'],
  [';;,,q=', null],
])('accept: %s', (accept, format) => {
  expect(negotiate(accept, ['json', 'csv'])).toBe(format);
});

/** RFC 4180, read back. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    const match = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
    match.lastIndex = at;
    const [whole = '', quoted, bare = '', end] = match.exec(text) ?? [];
    if (whole === '') throw new Error(`not CSV at ${at}`);
    row.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'));
    at += whole.length;
    if (end === '\r\n') {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}

test('whatever a cell holds: it is read back, and is no formula', () => {
  const cell = fc.oneof(fc.string(), fc.stringMatching(/^[\s=+\-@"',]{0,4}[a-z]*$/));
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 5 }), (rows) => {
      const columns = [
        { name: 'a', type: 'text' as const },
        { name: 'b', type: 'number' as const },
      ];
      const [, ...read] = parseCsv(csvText({ columns, rows }));
      expect(read).toHaveLength(rows.length);
      for (const [i, line] of read.entries())
        for (const [j, text] of line.entries()) {
          const given = rows[i]?.[j] ?? '';
          expect([given, `'${given}`]).toContain(text);
          if (!/^-?\d/.test(text)) expect(text).not.toMatch(/^\s*[=+\-@\t\r]/);
        }
    }),
  );
});

test('numbers stay numbers, also negative ones; nothing is an empty cell', () => {
  const columns = [
    { name: 'cost_usd', type: 'number' as const },
    { name: 'team', type: 'text' as const },
  ];
  expect(
    csvText({
      columns,
      rows: [
        ['-0.25', '-0.25'],
        [3, null],
      ],
    }),
  ).toBe("cost_usd,team\r\n-0.25,'-0.25\r\n3,\r\n");
});
