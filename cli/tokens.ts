import { z } from 'zod';
import { ToolmeterError } from '../core/errors.ts';
import { createTokenCounter, type TokenCounter } from '../processors/tokens/index.ts';
import { commandLine } from './command-line.ts';
import { runNdjson } from './ndjson.ts';

const USAGE = `Usage: toolmeter tokens --model MODEL < NDJSON

Counts the tokens of each line {"id": …, "text": "…"} as MODEL does. Answers {"id", "tokens", "tokenizer", "basis",
"error"}: basis "metered" is that model's own tokenizer, "estimated" is within the relative error that is given.
`;

const InputSchema = z.object({ id: z.unknown().optional(), text: z.string() });

export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, { model: { type: 'string' } });
  if (line === null) return 0;
  const { model } = line.values;
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
