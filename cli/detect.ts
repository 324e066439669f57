import { ToolmeterError } from '../core/errors.ts';
import { DriftDetector } from '../processors/detect/index.ts';
import { commandLine, usageError } from './command-line.ts';
import { chunksOfLines, Sink, TOO_LONG } from './ndjson.ts';

const USAGE = `Usage: toolmeter detect score [options] < CSV

Scores each value of a series by how abnormal it is for that series so far: 0 (usual) to 1. Reads CSV of time,value
and writes CSV of time,value,score, a line for each line, as they come. A time is ISO 8601 (without a zone: UTC) or Unix
seconds or milliseconds. An empty value, NaN or null is a missing one: it scores 0. A header line is optional, and
answered with one. A line that can't be read ends the command with its number and exit code 2.

  --time-column NAME|N    column of the time: a name of the header, or a number from 1 (default: the first)
  --value-column NAME|N   column of the value (default: "value" of the header, else the second)
`;

/** Longest line, bytes. */
const MAX_LINE_BYTES = 1024 * 1024;

export interface Columns {
  readonly time?: string | undefined;
  readonly value?: string | undefined;
}

export interface ScoreIo {
  readonly input: AsyncIterable<Buffer | string>;
  readonly output: NodeJS.WritableStream;
}

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(
    argv,
    USAGE,
    { 'time-column': { type: 'string' }, 'value-column': { type: 'string' } },
    1,
  );
  if (line === null) return 0;
  if (line.positionals[0] !== 'score')
    throw usageError(
      line.positionals[0] === undefined
        ? 'what to do is missing'
        : `nothing is known of "${line.positionals[0]}"`,
    );
  const columns = { time: line.values['time-column'], value: line.values['value-column'] };
  return scoreCsv(columns, { input: process.stdin, output: process.stdout });
}

/** Resolves to the exit code. What was scored before a bad line has been written. @throws ToolmeterError TM_CSV_LINE */
export async function scoreCsv(columns: Columns, io: ScoreIo): Promise<number> {
  const sink = new Sink(io.output);
  const detector = new DriftDetector();
  let places: Places | undefined;
  let number = 0;
  try {
    for await (const lines of chunksOfLines(io.input, MAX_LINE_BYTES)) {
      try {
        for (const text of lines) {
          number++;
          if (text === TOO_LONG) throw badLine(number, `is longer than ${MAX_LINE_BYTES} bytes`);
          if (text.trim() === '') continue;
          const fields = splitCsv(text, number);
          if (places === undefined) {
            const first = placesOf(fields, columns, number);
            places = first.places;
            if (first.isHeader) {
              await sink.write('time,value,score\n');
              continue;
            }
          }
          const time = field(fields, places.time, number, 'time');
          const value = field(fields, places.value, number, 'value');
          const timeMs = parseTime(time);
          if (timeMs === null)
            throw badLine(number, 'has a time that is neither ISO 8601 nor Unix seconds or milliseconds');
          const amount = parseValue(value);
          if (amount === null) throw badLine(number, 'has a value that is not a number');
          const score = detector.next(timeMs, amount);
          await sink.write(`${quoted(time)},${quoted(value)},${format(score)}\n`);
          if (sink.closed) return 0;
        }
      } finally {
        await sink.flush();
      }
    }
    return 0;
  } finally {
    sink.release();
  }
}

interface Places {
  readonly time: number;
  readonly value: number;
}

/** Which columns are read, by the first line; it is a header where what stands in both places is no datum. */
function placesOf(fields: string[], columns: Columns, number: number): { places: Places; isHeader: boolean } {
  const names = fields.map((name) => name.trim().toLowerCase());
  const place = (wanted: string | undefined, fallback: number): number => {
    if (wanted === undefined) return fallback;
    const named = names.indexOf(wanted.trim().toLowerCase());
    if (named >= 0) return named;
    if (/^[1-9]\d{0,3}$/.test(wanted)) return Number(wanted) - 1;
    throw new ToolmeterError(
      'TM_CSV_COLUMN',
      `The first line has no column "${wanted}".`,
      'Name one of it, or give its number.',
    );
  };
  const named = names.indexOf('value');
  const places = { time: place(columns.time, 0), value: place(columns.value, named > 0 ? named : 1) };
  const time = field(fields, places.time, number, 'time');
  const value = field(fields, places.value, number, 'value');
  return { places, isHeader: parseTime(time) === null && (parseValue(value) === null || !/\d/.test(time)) };
}

function field(fields: string[], place: number, number: number, what: string): string {
  const text = fields[place];
  if (text === undefined) throw badLine(number, `has no column ${place + 1} for the ${what}`);
  return text.trim();
}

function badLine(number: number, clause: string): ToolmeterError {
  return new ToolmeterError(
    'TM_CSV_LINE',
    `Line ${number} ${clause}.`,
    'toolmeter detect --help says what is read.',
  );
}

/** Fields of one line of CSV (RFC 4180, without line breaks inside quotes); `;` and tabs don't separate. */
export function splitCsv(text: string, number: number): string[] {
  const line = text.endsWith('\r') ? text.slice(0, -1) : text;
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (line[at] !== '"') {
      const comma = line.indexOf(',', at);
      fields.push(line.slice(at, comma === -1 ? undefined : comma));
      if (comma === -1) return fields;
      at = comma + 1;
      continue;
    }
    let value = '';
    for (at++; ; ) {
      const quote = line.indexOf('"', at);
      if (quote === -1) throw badLine(number, 'has a quote that is not closed');
      value += line.slice(at, quote);
      at = quote + 1;
      if (line[at] !== '"') break;
      value += '"';
      at++;
    }
    fields.push(value);
    if (at >= line.length) return fields;
    if (line[at] !== ',') throw badLine(number, 'has text after a closing quote');
    at++;
  }
}

const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(Z|[+-]\d{2}:?\d{2})?)?$/i;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i;
/** From here on a Unix time is milliseconds: as seconds it would be after the year 5138. */
const LEAST_MS = 1e11;

/** Unix milliseconds, or null. */
export function parseTime(text: string): number | null {
  if (NUMBER.test(text)) {
    const number = Number(text);
    const ms = Math.abs(number) >= LEAST_MS ? number : number * 1000;
    return Math.abs(ms) <= 8.64e15 ? ms : null;
  }
  const match = ISO.exec(text);
  if (match === null) return null;
  const [, day, time = '00:00', zone = 'Z'] = match;
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  const ms = Date.parse(`${day}T${time}${offset}`);
  return Number.isNaN(ms) ? null : ms;
}

/** The number; NaN where a value is missing; null where it is no number. */
export function parseValue(text: string): number | null {
  if (text === '' || /^(?:nan|null|na)$/i.test(text)) return Number.NaN;
  const number = NUMBER.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) ? number : null;
}

const quoted = (text: string): string => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Six digits, no exponent. */
const format = (score: number): string => String(Number(score.toFixed(6)));
