import { isIP } from 'node:net';
import { z } from 'zod';
import { CALLER_SOURCES } from './call-event.ts';
import { distinctNames } from './distinct-names.ts';
import { InstantSchema } from './prices.ts';

const label = z.string().min(1).max(512);
/** One pattern or several of which one must fit; `*` stands for any run of characters, `\*` for itself. */
const patterns = z.union([label, z.array(label).min(1).max(10_000)]);
const one = <T extends readonly [string, ...string[]]>(values: T) =>
  z.union([z.enum(values), z.array(z.enum(values)).min(1)]);

const cidr = z
  .string()
  .refine((text) => parseCidr(text) !== null, 'expected an address or a range such as 10.0.0.0/8');

/** An address range; a plain address is the range of it alone. */
export function parseCidr(text: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } | null {
  const [address = '', prefixText, more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more !== undefined || address.includes('%')) return null;
  const bits = version === 4 ? 32 : 128;
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return null;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  return prefix > bits ? null : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** What a rule asks of a call: all of it must fit. */
export const WhenSchema = z
  .strictObject({
    caller: patterns.optional().describe('Id of the caller, from whatever source.'),
    api_key: patterns.optional().describe('Id of the API key by which the caller is known.'),
    os_user: patterns.optional().describe('Name of the operating-system user that the caller is.'),
    caller_source: one(CALLER_SOURCES).optional(),
    verified: z
      .union([z.boolean(), z.literal('any')])
      .optional()
      .describe(
        'Whether the caller must be verified. Default: true where the rule names a caller, API key, user or acting_as; else any.',
      ),
    acting_as: patterns.optional(),
    collector: patterns.optional().describe('Id of the collector token that the event came by.'),
    tags: z
      .record(z.string().min(1), patterns)
      .refine((tags) => Object.keys(tags).length > 0, 'expected at least one tag')
      .superRefine(distinctNames)
      .optional(),
    server: patterns.optional(),
    tool: patterns.optional(),
    client: patterns.optional().describe('Name of the client; it says so itself.'),
    ip: z.union([cidr, z.array(cidr).min(1)]).optional(),
  })
  .refine((when) => Object.keys(when).some((key) => key !== 'verified'), {
    error: 'asks for nothing; write `when: any` for every call',
    when: ({ issues }) => issues.length === 0,
  })
  .refine(
    (when) => [when.caller, when.api_key, when.os_user].filter((value) => value !== undefined).length <= 1,
    'names the caller more than once: keep one of caller, api_key, os_user',
  )
  .refine(
    (when) => when.caller_source === undefined || (when.api_key === undefined && when.os_user === undefined),
    'api_key and os_user say the caller_source already',
  );
export type When = z.infer<typeof WhenSchema>;

export const RuleSchema = z
  .strictObject({
    id: label.max(128).describe('Names the rule on each call that it decides.'),
    when: z.union([z.literal('any'), WhenSchema]),
    valid_from: InstantSchema.optional().describe('First instant of calls that it is for. Default: always.'),
    valid_to: InstantSchema.optional().describe('First instant of calls that it is no longer for.'),
    team: label.optional(),
    cost_center: label.optional(),
    project: label.optional(),
    environment: label.optional(),
    model: label
      .optional()
      .describe('The model, where the call itself does not say it; its cost is then an estimate.'),
  })
  .refine(
    (rule) =>
      [rule.team, rule.cost_center, rule.project, rule.environment, rule.model].some(
        (value) => value !== undefined,
      ),
    'decides nothing: give a team, cost_center, project, environment or model',
  );
export type Rule = z.infer<typeof RuleSchema>;

/**
 * The team directory. Rules are tried in order. The first that fits and gives a team, cost centre, project or
 * environment decides all four; the first that fits and gives a model decides the model.
 */
export const DirectorySchema = z.strictObject({
  // Asked for: a file that was cut to nothing is not a directory in which nobody pays.
  rules: z.array(RuleSchema, { error: 'expected a list; for no rules write `rules: []`' }).max(20_000),
});
export type DirectoryFile = z.infer<typeof DirectorySchema>;
