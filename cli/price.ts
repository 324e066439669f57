import { z } from 'zod';
import { ToolmeterError } from '../core/errors.ts';
import { formatUsd } from '../core/money.ts';
import { loadCatalog, priceUsage, type TokenUsage } from '../processors/cost/index.ts';
import { InstantSchema, instantMs } from '../schemas/prices.ts';
import { commandLine } from './command-line.ts';
import { runNdjson } from './ndjson.ts';

const USAGE = `Usage: toolmeter price [--prices FILE]...

Prices NDJSON from standard input: a line {"id", "model", "at", "usage": {"input", "output", "cache_read",
"cache_write", "reasoning"}} is answered with {"id", "amount", "lines", "price_id"}. The token fields are disjoint;
"at" is when it happened (default: now); the amount is in USD. A model without a price is "0", basis unpriced.

  --prices FILE   a price file over the bundled catalogue; may be given more than once, later ones win
`;

const WHOLE = {
  error: 'expected a whole number from 0 to 9007199254740991, or text of up to 18 digits for a larger one',
};
/** Tokens: a whole number, or its decimal text where it is larger than JSON's numbers are exact. */
const tokens = z.union([z.int(WHOLE).min(0, WHOLE), z.string().regex(/^\d{1,18}$/, WHOLE)], WHOLE);

/** As in price files, but a time without a zone is UTC here. */
const AtSchema = z.union([InstantSchema, z.iso.datetime({ local: true }).transform((text) => `${text}Z`)], {
  error: 'expected a day such as 2026-01-31 or a time such as 2026-01-31T08:00:00Z',
});

const RequestSchema = z.object({
  model: z.string({ error: 'expected the name of a model' }),
  at: AtSchema.nullish(),
  usage: z.strictObject({
    input: tokens.nullish(),
    output: tokens.nullish(),
    cache_read: tokens.nullish(),
    cache_write: tokens.nullish(),
    cache_write_1h: tokens.nullish(),
    reasoning: tokens.nullish(),
  }),
});

/** `toolmeter price`: NDJSON in and out. */
export async function run(argv: string[]): Promise<number> {
  const line = commandLine(argv, USAGE, { prices: { type: 'string', multiple: true } });
  if (line === null) return 0;
  const catalog = loadCatalog(line.values.prices ?? []);
  return runNdjson((input) => {
    const request = RequestSchema.safeParse(input);
    if (!request.success) {
      const issue = request.error.issues[0];
      throw new ToolmeterError(
        'TM_PRICE_REQUEST',
        `${issue?.path.join('.') || 'line'}: ${issue?.message ?? 'does not fit'}`,
        'toolmeter price --help shows the shape of a line.',
      );
    }
    const { model, at, usage } = request.data;
    const counts: TokenUsage = Object.fromEntries(
      Object.entries(usage).map(([kind, count]) => [kind, BigInt(count ?? 0)]),
    );
    const priced = priceUsage(catalog, {
      model,
      atMs: at === undefined || at === null ? Date.now() : instantMs(at),
      usage: counts,
    });
    const id = (input as { id?: unknown }).id;
    return {
      ...(id !== undefined && { id }),
      amount: formatUsd(priced.amount),
      lines: priced.lines,
      price_id: priced.price_id,
    };
  });
}
