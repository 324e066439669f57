import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type Columns, parseTime, parseValue, scoreCsv, splitCsv } from '../../cli/detect.ts';
import { toolmeter } from './output.ts';

async function score(
  text: string | string[],
  columns: Columns = {},
): Promise<{ output: string; status: number | string }> {
  const output = new PassThrough();
  const chunks: Buffer[] = [];
  output.on('data', (chunk: Buffer) => chunks.push(chunk));
  const input = (async function* () {
    for (const part of typeof text === 'string' ? [text] : text) yield part;
  })();
  const status = await scoreCsv(columns, { input, output }).catch(
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );
  return { output: Buffer.concat(chunks).toString(), status };
}
const rows = (count: number, spikeAt = -1): string =>
  Array.from(
    { length: count },
    (_, i) => `${1_700_000_000 + i * 60},${i === spikeAt ? 90 : 10 + (i % 3)}`,
  ).join('\n');

describe('toolmeter detect score', () => {
  it('answers each line, the spike highest, whatever the chunks', async () => {
    const { output, status } = await score(rows(500, 400));
    expect(status).toBe(0);
    const lines = output.trimEnd().split('\n');
    expect(lines).toHaveLength(500);
    const scored = lines.map((line) => Number(line.split(',')[2]));
    expect(scored.indexOf(Math.max(...scored))).toBe(400);
    expect(lines[400]).toMatch(/^1700024000,90,0\.\d+$/);
    expect((await score([...rows(500, 400)])).output).toBe(output);
  });

  it.each<[string, string, Columns, string]>([
    [
      'a header',
      'timestamp,value\n2014-04-01 00:00:00,20.0\n',
      {},
      'time,value,score\n2014-04-01 00:00:00,20.0,0\n',
    ],
    ['CRLF, a mark and blank lines', '\uFEFFtime,value\r\n\r\n1,2\r\n', {}, 'time,value,score\n1,2,0\n'],
    ['named columns', 'v,when\n7,5\n', { time: 'WHEN', value: 'v' }, 'time,value,score\n5,7,0\n'],
    ['numbered columns', '7,x,5\n', { time: '3', value: '1' }, '5,7,0\n'],
    ['"value" wherever it is', 'at,host,value\n1,a,2\n', {}, 'time,value,score\n1,2,0\n'],
    ['quotes', '"2026-01-01T00:00:00Z","1.5"\n', {}, '2026-01-01T00:00:00Z,1.5,0\n'],
    ['missing values', '1,\n2,NaN\n3,null\n', {}, '1,,0\n2,NaN,0\n3,null,0\n'],
    ['nothing', '', {}, ''],
  ])('takes %s', async (_, text, columns, expected) => {
    expect(await score(text, columns)).toEqual({ output: expected, status: 0 });
  });

  it.each<[string, string, Columns, string]>([
    ['a value', '1,2\n2,x\n3,4\n', {}, 'TM_CSV_LINE Line 2 has a value that is not a number.'],
    ['a time', '1,2\nsoon,3\n', {}, 'TM_CSV_LINE Line 2 has a time that is neither ISO 8601 nor Unix'],
    ['a missing column', '1,2\n\n3\n', {}, 'TM_CSV_LINE Line 3 has no column 2 for the value.'],
    ['a quote', '1,2\n3,"4\n', {}, 'TM_CSV_LINE Line 2 has a quote that is not closed.'],
    [
      'an unknown column',
      'time,value\n1,2\n',
      { value: 'cpu' },
      'TM_CSV_COLUMN The first line has no column "cpu".',
    ],
    ['an infinite value', '1,2\n2,1e999\n', {}, 'TM_CSV_LINE Line 2 has a value that is not a number.'],
    [
      'a line without end',
      `1,2\n${'9'.repeat(2 ** 21)}`,
      {},
      'TM_CSV_LINE Line 2 is longer than 1048576 bytes.',
    ],
  ])('refuses %s, and has answered what came before', async (_, text, columns, message) => {
    const { output, status } = await score(text, columns);
    expect(String(status)).toContain(message);
    expect(output).toBe(columns.value === undefined ? '1,2,0\n' : '');
  });

  it('is a command', async () => {
    expect(await toolmeter('detect', '--help')).toMatchObject({ status: 0 });
    expect(await toolmeter('detect')).toMatchObject({ status: 2 });
    expect(await toolmeter('detect', 'guess')).toMatchObject({ status: 2 });
  });
});

it.each([
  ['2026-01-01', Date.UTC(2026, 0, 1)],
  ['2026-01-01T10:00', Date.UTC(2026, 0, 1, 10)],
  ['2026-01-01 10:00:00.5', Date.UTC(2026, 0, 1, 10, 0, 0, 500)],
  ['2026-01-01 10:00:00+0200', Date.UTC(2026, 0, 1, 8)],
  ['2026-01-01T10:00:00-01:30', Date.UTC(2026, 0, 1, 11, 30)],
  ['2026-01-01t10:00:00z', Date.UTC(2026, 0, 1, 10)],
  ['1700000000', 1_700_000_000_000],
  ['1700000000.25', 1_700_000_000_250],
  ['1700000000000', 1_700_000_000_000],
  ['0', 0],
  ['2026-13-01', null],
  ['01/02/2026', null],
  ['1e300', null],
  ['', null],
])('the time %j is %j', (text, ms) => expect(parseTime(text)).toBe(ms));

it.each([
  ['1', 1],
  ['-1.5e-3', -0.0015],
  ['.5', 0.5],
  ['nan', Number.NaN],
  ['', Number.NaN],
  ['1,5', null],
  ['0x10', null],
  ['Infinity', null],
])('the value %j is %j', (text, value) => expect(parseValue(text)).toEqual(value));

it('splits quoted fields', () => {
  expect(splitCsv('"a ""b"", c",,d', 1)).toEqual(['a "b", c', '', 'd']);
  expect(splitCsv('a,"b"', 1)).toEqual(['a', 'b']);
});
