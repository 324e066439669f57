import { expect, test } from 'vitest';
import { ToolmeterError } from '../../core/errors.ts';
import { makeLogger } from '../../telemetry/logger.ts';

function capture(level: 'debug' | 'info' = 'info') {
  const lines: Record<string, unknown>[] = [];
  const log = makeLogger({
    level,
    name: 'api',
    to: { write: (line: string) => void lines.push(JSON.parse(line)) },
  });
  return { log, lines };
}

test('one JSON object a line, with level, time, part and version', () => {
  const { log, lines } = capture();
  log.debug({}, 'not shown');
  log.info({ partition: 3 }, 'acquired');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ level: 'info', part: 'api', partition: 3, message: 'acquired' });
  expect(lines[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT/);
});

test('payloads and secrets are not written, even where a caller passes them', () => {
  const { log, lines } = capture();
  const secret = 'ada@example.com';
  log.warn(
    { arguments: secret, token: secret, call: { arguments_text: secret, password: secret, tool: 'echo' } },
    'x',
  );
  expect(JSON.stringify(lines)).not.toContain(secret);
  expect(lines[0]).toMatchObject({ call: { tool: 'echo', password: '[redacted]' } });
});

test('of an error only its own words: nothing that a library hung on it', () => {
  const { log, lines } = capture();
  const error = Object.assign(
    new ToolmeterError('TM_X', 'It failed.', 'Try.', { cause: new Error('row 4711') }),
    {
      statement: 'INSERT 4711',
    },
  );
  log.error({ error }, 'failed');
  expect(lines[0]?.error).toMatchObject({ code: 'TM_X', message: 'It failed.', hint: 'Try.' });
  expect(JSON.stringify(lines)).not.toContain('4711');
});
