import { z } from 'zod';
import { LABELS, type Label, type LabelFilter } from '../schemas/api.ts';
import { ApiError } from './problem.ts';

/**
 * Parameters as they stand in an address, where everything is text: each schema takes that text and gives the typed
 * value of the filter. What it gives is what OpenAPI shows.
 */

const DAY_MS = 86_400_000;
/** The range where none is asked for, days. */
const DEFAULT_RANGE_DAYS = 30;

const repeated = z.union([z.string(), z.array(z.string())]);

/** A whole number. */
export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max));

/** Some of a set of words: repeated, or joined by commas. */
export const words = <const W extends readonly [string, ...string[]]>(names: W, max: number) =>
  repeated
    .transform((given) => [given].flat().flatMap((text) => text.split(',')))
    .transform((list) => [...new Set(list.map((word) => word.trim()).filter((word) => word !== ''))])
    .pipe(z.array(z.enum(names)).max(max));

/** Values of a label: the parameter is repeated for each (a value may hold a comma); empty is "not known". */
const values = repeated
  .transform((given) => [given].flat())
  .pipe(z.array(z.string().max(2048)).min(1).max(100));

/** `true` or `false`. */
export const flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .pipe(z.boolean());

/** ISO 8601: a date (its first moment in UTC) or a time with `Z` or an offset. */
export const time = z
  .string()
  .max(64)
  .transform((text, context) => {
    const iso = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text;
    const utc = z.iso.datetime().safeParse(iso).success;
    const ms = Date.parse(iso);
    if (!Number.isNaN(ms) && utc) return iso;
    if (!Number.isNaN(ms) && z.iso.datetime({ offset: true }).safeParse(iso).success) {
      // What is finer than a millisecond is as it was written: an offset is of whole minutes.
      const fraction = /[.]\d+/.exec(iso)?.[0] ?? '';
      return `${new Date(ms).toISOString().slice(0, 19)}${fraction}Z`;
    }
    context.addIssue({
      code: 'custom',
      message: 'expected a date (2026-03-01) or a time (2026-03-01T12:00:00Z; in an address + is %2B)',
    });
    return z.NEVER;
  })
  .pipe(
    // An offset is taken too, which the pattern of a time in UTC would refuse.
    z.string().meta({
      anyOf: [{ format: 'date' }, { format: 'date-time' }],
      examples: ['2026-03-01', '2026-03-01T12:00:00Z', '2026-03-01T12:00:00+02:00'],
    }),
  );

/** `from` ≤ time < `to`. */
export const rangeParameters = {
  from: time.optional().describe(`Start, inclusive. Default: ${DEFAULT_RANGE_DAYS} days before \`to\`.`),
  to: time.optional().describe('End, exclusive. Default: now.'),
};

/** A range with its defaults. @throws ApiError TM_PARAMETER_INVALID where it ends before it starts. */
export function rangeOf(
  query: { from?: string | undefined; to?: string | undefined },
  nowMs: number,
): { from: string; to: string } {
  const to = query.to ?? new Date(nowMs).toISOString();
  const from = query.from ?? new Date(Date.parse(to) - DEFAULT_RANGE_DAYS * DAY_MS).toISOString();
  if (Date.parse(from) > Date.parse(to)) {
    const message = 'is after `to`';
    throw new ApiError('TM_PARAMETER_INVALID', `from ${message}`, 'The range is from ≤ time < to.', [
      { parameter: 'from', message },
    ]);
  }
  return { from, to };
}

/** One parameter a label. */
export const labelParameters = Object.fromEntries(
  LABELS.map((label) => [
    label,
    values.optional().describe(`Only this ${label.replace('_', ' ')}; repeat for any of several.`),
  ]),
) as Record<Label, z.ZodOptional<typeof values>>;

/** The label parameters of a query as a filter. */
export function whereOf(query: { [L in Label]?: string[] | undefined }): LabelFilter {
  const where: LabelFilter = {};
  for (const label of LABELS) {
    const given = query[label];
    if (given !== undefined) where[label] = given;
  }
  return where;
}
