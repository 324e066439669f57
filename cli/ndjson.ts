import { once } from 'node:events';
import { messageOf, ToolmeterError } from '../core/errors.ts';

/** Longest line that is read, bytes: twice the longest message that a collector passes on. */
const MAX_LINE_BYTES = 128 * 1024 * 1024;
/** Answers are written together up to about this many UTF-16 units, and always at the end of what has arrived. */
const WRITE_UNITS = 64 * 1024;

export interface NdjsonIo {
  readonly input: AsyncIterable<Buffer | string>;
  readonly output: NodeJS.WritableStream;
  readonly maxLineBytes?: number;
}

/**
 * A filter: each line of JSON in gives one line of JSON out, in order, as soon as it has arrived; blank lines give
 * none. A line that is no JSON, or at which `handle` throws, is answered with `{id?, error: {code, message, hint}}`,
 * and the rest goes on. Reads only as fast as its output is read. Resolves to the exit code: 0 when every line was
 * answered or the reader went away, whatever the answers say; a failing input or output rejects.
 */
export async function runNdjson(
  handle: (input: unknown) => object | Promise<object>,
  io: NdjsonIo = { input: process.stdin, output: process.stdout },
): Promise<number> {
  const sink = new Sink(io.output);
  let number = 0;
  try {
    for await (const lines of chunksOfLines(io.input, io.maxLineBytes ?? MAX_LINE_BYTES)) {
      for (const line of lines) {
        number++;
        const answer = await answerTo(line, number, handle);
        if (answer !== undefined) await sink.write(`${answer}\n`);
        if (sink.closed) return 0;
      }
      await sink.flush();
    }
    await sink.flush();
    return 0;
  } finally {
    sink.release();
  }
}

export const TOO_LONG = Symbol('a line over the limit');
export type Line = string | typeof TOO_LONG;

/** The complete lines of each chunk. Only LF ends a line: U+2028 and a lone CR are text inside JSON's strings. */
export async function* chunksOfLines(input: NdjsonIo['input'], maxBytes: number): AsyncGenerator<Line[]> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let first = true;
  const take = (tail: Buffer): Line => {
    const tooLong = heldBytes + tail.length > maxBytes;
    const bytes = held.length === 0 ? tail : Buffer.concat([...held, tail]);
    held = [];
    heldBytes = 0;
    if (tooLong) return TOO_LONG;
    const text = bytes.toString('utf8');
    const withoutMark = first && text.startsWith('\uFEFF') ? text.slice(1) : text;
    first = false;
    return withoutMark;
  };
  for await (const chunk of input) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
    const lines: Line[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      lines.push(take(bytes.subarray(start, end)));
      start = end + 1;
    }
    if (start < bytes.length) {
      const tail = bytes.subarray(start);
      heldBytes += tail.length;
      if (heldBytes <= maxBytes) held.push(tail);
      else held = [];
    }
    yield lines;
  }
  if (heldBytes > 0) yield [take(Buffer.alloc(0))];
}

async function answerTo(
  line: Line,
  number: number,
  handle: (input: unknown) => object | Promise<object>,
): Promise<string | undefined> {
  if (line === TOO_LONG) {
    return errorLine(undefined, 'TM_NDJSON_LINE', `Line ${number} is too long.`, 'Split it.');
  }
  if (line.trim() === '') return undefined;
  let input: unknown;
  try {
    input = JSON.parse(line);
  } catch {
    // The parser's own message quotes the line, which may hold personal data.
    return errorLine(
      undefined,
      'TM_NDJSON_LINE',
      `Line ${number} is not JSON.`,
      'Send one JSON object a line.',
    );
  }
  try {
    return JSON.stringify(await handle(input));
  } catch (error) {
    const code = error instanceof ToolmeterError ? error.code : 'TM_INTERNAL';
    const hint = error instanceof ToolmeterError ? error.hint : 'Please report this, with the version.';
    return errorLine(idOf(input), code, messageOf(error), hint);
  }
}

function errorLine(id: unknown, code: string, message: string, hint: string): string {
  return JSON.stringify({ ...(id === undefined ? {} : { id }), error: { code, message, hint } });
}

/** The line's own `id`, of whatever type. */
function idOf(input: unknown): unknown {
  return typeof input === 'object' && input !== null && 'id' in input ? input.id : undefined;
}

/** Writes with back-pressure, and notices a reader that went away (EPIPE), which ends a filter without an error. */
export class Sink {
  readonly #output: NodeJS.WritableStream;
  #pending = '';
  #error: Error | undefined;
  closed = false;

  constructor(output: NodeJS.WritableStream) {
    this.#output = output;
    output.on('error', this.#onError);
    output.on('close', this.#onClose);
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.closed = true;
    if (error.code !== 'EPIPE') this.#error = error;
  };
  readonly #onClose = (): void => {
    this.closed = true;
  };

  async write(text: string): Promise<void> {
    this.#pending += text;
    if (this.#pending.length >= WRITE_UNITS) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = '';
    if (text !== '' && !this.closed && !this.#output.write(text)) {
      const waiting = new AbortController();
      const events = ['drain', 'close'] as const;
      await Promise.race(events.map((name) => once(this.#output, name, { signal: waiting.signal }))).catch(
        () => {
          // An error while waiting has reached #onError, which says whether it matters.
        },
      );
      waiting.abort();
    }
    if (this.#error !== undefined) {
      throw new ToolmeterError('TM_OUTPUT', `Writing failed: ${this.#error.message}`, '', {
        cause: this.#error,
      });
    }
  }

  release(): void {
    this.#output.off('close', this.#onClose);
    // The error listener stays: an EPIPE may arrive after the last write, and would otherwise end the process.
  }
}
