import { PassThrough, Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runNdjson } from '../../cli/ndjson.ts';
import { ToolmeterError } from '../../core/errors.ts';

async function filter(
  chunks: (Buffer | string)[],
  handle: (input: unknown) => object | Promise<object> = (input) => ({ got: input }),
  maxLineBytes?: number,
): Promise<unknown[]> {
  const output = new PassThrough();
  const parts: Buffer[] = [];
  output.on('data', (part: Buffer) => parts.push(part));
  const code = await runNdjson(handle, {
    input: Readable.from(chunks, { objectMode: true }),
    output,
    ...(maxLineBytes === undefined ? {} : { maxLineBytes }),
  });
  expect(code).toBe(0);
  await new Promise((resolve) => setImmediate(resolve));
  const text = Buffer.concat(parts).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

describe('runNdjson', () => {
  it('answers each line in order, wherever the bytes are split', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue(), { maxLength: 8 }),
        fc.array(fc.nat(200), { maxLength: 6 }),
        async (values, cuts) => {
          const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''), 'utf8');
          const places = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].sort((a, b) => a - b);
          const chunks = [0, ...places].map((from, index) => bytes.subarray(from, places[index]));
          const expected = JSON.parse(JSON.stringify(values.map((value) => ({ got: value }))));
          expect(await filter(chunks)).toEqual(expected);
        },
      ),
    );
  });

  it('takes a BOM, CRLF, blank lines, U+2028 inside a string, and a last line without its end', async () => {
    const answers = await filter(['\uFEFF{"id":1}\r\n', '\n  \n', '"a\u2028b"\n', '{"id":2}']);
    expect(answers).toEqual([{ got: { id: 1 } }, { got: 'a\u2028b' }, { got: { id: 2 } }]);
  });

  it('answers a bad line with an error that does not quote it, and goes on', async () => {
    const answers = await filter(['{"id":1}\nada@example.org\n{"id":3}\n']);
    expect(answers).toHaveLength(3);
    expect(answers[1]).toEqual({
      error: { code: 'TM_NDJSON_LINE', message: 'Line 2 is not JSON.', hint: 'Send one JSON object a line.' },
    });
  });

  it('answers a throw with its code and the id of the line, of whatever type', async () => {
    const answers = await filter(['{"id":0}\n{"id":"x"}\n7\n'], () => {
      throw new ToolmeterError('TM_TEST', 'No.', 'Try again.');
    });
    const error = { code: 'TM_TEST', message: 'No.', hint: 'Try again.' };
    expect(answers).toEqual([{ id: 0, error }, { id: 'x', error }, { error }]);
  });

  it('refuses a line over the limit without holding it, and reads the next', async () => {
    const answers = await filter(['[1,2,3', ',4,5,6,7', ',8,9]\n[1]\n'], undefined, 8);
    expect(answers[0]).toMatchObject({ error: { code: 'TM_NDJSON_LINE' } });
    expect(answers[1]).toEqual({ got: [1] });
  });

  it('reads no faster than its output is read', async () => {
    let read = 0;
    const input = async function* () {
      for (; read < 1000; read++) yield `${JSON.stringify('x'.repeat(100_000))}\n`;
    };
    const output = new PassThrough({ highWaterMark: 1024 });
    const running = runNdjson((line) => ({ line }), { input: input(), output });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(read).toBeLessThan(5);
    output.resume();
    expect(await running).toBe(0);
    expect(read).toBe(1000);
  });

  it('ends quietly when its reader goes away, and rejects when writing fails otherwise', async () => {
    const endless = async function* () {
      for (;;) yield '1\n';
    };
    const failing = (code: string) =>
      new Writable({
        write(_chunk, _encoding, done) {
          done(Object.assign(new Error(code), { code }));
        },
      });
    const handle = (line: unknown) => ({ line });
    expect(await runNdjson(handle, { input: endless(), output: failing('EPIPE') })).toBe(0);
    await expect(runNdjson(handle, { input: endless(), output: failing('ENOSPC') })).rejects.toMatchObject({
      code: 'TM_OUTPUT',
    });
  });
});
