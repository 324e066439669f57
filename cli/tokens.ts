import { parseArgs } from 'node:util';
import { z } from 'zod';
import { ToolmeterError } from '../core/errors.ts';
import { createTokenCounter, type TokenCounter } from '../processors/tokens/index.ts';
import { runNdjson } from './ndjson.ts';

const HELP = `Usage: toolmeter tokens --model MODEL < NDJSON

Counts the tokens of each line {"id": …, "text": "…"} as MODEL does. Answers {"id", "tokens", "tokenizer", "basis",
"error"}: basis "metered" is that model's own tokenizer, "estimated" is within the relative error that is given.
`;

const InputSchema = z.object({ id: z.unknown(), text: z.string() });

export async function run(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: { model: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { model } = values;
  if (model === undefined || model.trim() === '') {
    throw new ToolmeterError(
      'TM_TOKENS_MODEL',
      'Which model counts?',
      'Name it: toolmeter tokens --model gpt-5.',
    );
  }
  const counter = createTokenCounter();
  return runNdjson((input) => tokensLine(input, model, counter));
}

/** One line's answer. @throws ToolmeterError TM_TOKENS_INPUT for a line of another shape. */
export function tokensLine(input: unknown, model: string, counter: TokenCounter): object {
  const parsed = InputSchema.safeParse(input);
  if (!parsed.success) {
    throw new ToolmeterError(
      'TM_TOKENS_INPUT',
      'A line must be an object with a string "text".',
      'See toolmeter tokens --help.',
    );
  }
  const { id, text } = parsed.data;
  return { ...(id === undefined ? {} : { id }), ...counter.count(text, model) };
}
