import { z } from 'zod';
import { OUTCOMES } from './call-event.ts';

/** A decimal number of 0 or more, as text: prices never are binary floating point. */
const decimal = z
  .string()
  .regex(
    /^(?:0|[1-9]\d{0,11})(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?$/,
    'expected a decimal number of 0 or more',
  );
/** A day (UTC) or an instant with its zone. */
export const InstantSchema = z.union([z.iso.date(), z.iso.datetime({ offset: true })], {
  error: 'expected a day such as 2026-01-31 (UTC) or a time such as 2026-01-31T08:00:00Z',
});
/** Short enough for a price id, which is at most 256 characters, to hold it. */
const name = z.string().min(1).max(128);

const validity = {
  valid_from: InstantSchema.optional().describe('First instant at which it holds. Default: always.'),
  valid_to: InstantSchema.optional().describe('First instant at which it no longer holds.'),
  recorded_at: InstantSchema.optional().describe("When it became known. Default: the file's."),
};

const rates = {
  input: decimal.optional(),
  output: decimal.optional(),
  cache_read: decimal.optional().describe('Default: as input.'),
  cache_write: decimal.optional().describe('Default: as input.'),
  cache_write_1h: decimal.optional().describe('Writes that live an hour. Default: as cache_write.'),
  reasoning: decimal.optional().describe('Default: as output.'),
};

export const ModelPriceSchema = z.strictObject({
  model: name.describe('The name that calls carry; case does not matter.'),
  aliases: z.array(name).default([]),
  ...validity,
  usd_per_million_tokens: z.strictObject({
    ...rates,
    above: z
      .array(z.strictObject({ input_tokens: z.int().min(1), ...rates }))
      .default([])
      .describe(
        'Rates of the whole request where its input, with cache reads and writes, is more than this.',
      ),
  }),
  usd_per_request: decimal.optional(),
});
export type ModelPrice = z.infer<typeof ModelPriceSchema>;

export const ToolFeeSchema = z.strictObject({
  server: name,
  tool: name.describe('A tool of the server; "*" for each that has no fee of its own.'),
  fee_usd: decimal,
  per: z.enum(['call', 'second']).default('call'),
  outcomes: z
    .array(z.enum(OUTCOMES))
    .min(1)
    .default(['ok', 'tool_error'])
    .describe('Which endings are charged for. Default: those in which the tool ran.'),
  ...validity,
});
export type ToolFee = z.infer<typeof ToolFeeSchema>;

/** A price file: models and tool fees of one's own, over the bundled catalogue. */
export const PricesSchema = z.strictObject({
  base: z
    .enum(['bundled', 'none'])
    .default('bundled')
    .describe('`none`: only what stands in price files is priced.'),
  recorded_at: InstantSchema.optional().describe('When these prices became known. Default: always known.'),
  models: z.array(ModelPriceSchema).default([]),
  tools: z.array(ToolFeeSchema).default([]),
});
export type Prices = z.infer<typeof PricesSchema>;

/** Unix ms of an `InstantSchema` text; a day begins at midnight UTC. */
export function instantMs(text: string): number {
  return Date.parse(text.length === 10 ? `${text}T00:00:00Z` : text);
}
