import { BlockList, isIP } from 'node:net';
import { fold } from '../../core/fold.ts';
import { compilePattern, fits, type Pattern } from '../../core/pattern.ts';
import type { CallerSource } from '../../schemas/call-event.ts';
import { parseCidr, type Rule, type When } from '../../schemas/directory.ts';
import { instantMs } from '../../schemas/prices.ts';

/** What rules are asked about. */
export interface Subject {
  readonly caller: string;
  readonly caller_source: CallerSource;
  readonly caller_verified: boolean;
  readonly acting_as: string;
  readonly collector: string;
  readonly server: string;
  readonly tool: string;
  readonly client: string;
  readonly ip: string;
  readonly tags: Readonly<Record<string, string>>;
}

export const TEXT_FIELDS = ['caller', 'acting_as', 'collector', 'server', 'tool', 'client'] as const;
export type TextField = (typeof TEXT_FIELDS)[number];

export interface CompiledRule {
  readonly rule: Rule;
  /** Place in the file's list: the order of precedence. */
  readonly index: number;
  readonly fields: ReadonlyMap<TextField, Pattern>;
  readonly tags: ReadonlyMap<string, Pattern>;
  readonly sources: ReadonlySet<CallerSource> | null;
  /** Null: either. */
  readonly verified: boolean | null;
  readonly ip: { readonly list: BlockList; readonly texts: ReadonlySet<string> } | null;
  readonly fromMs: number;
  readonly toMs: number;
  /** Gives a team, cost centre, project or environment. */
  readonly labels: boolean;
  readonly model: boolean;
}

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

export function compileRule(rule: Rule, index: number): CompiledRule {
  const when: When = rule.when === 'any' ? {} : rule.when;
  const fields = new Map<TextField, Pattern>();
  const caller = when.caller ?? when.api_key ?? when.os_user;
  if (caller !== undefined) fields.set('caller', compilePattern(caller));
  for (const field of TEXT_FIELDS) {
    const source = field === 'caller' ? undefined : when[field];
    if (source !== undefined) fields.set(field, compilePattern(source));
  }
  const sources: readonly CallerSource[] | null =
    when.api_key !== undefined
      ? ['api_key']
      : when.os_user !== undefined
        ? ['os_user']
        : when.caller_source === undefined
          ? null
          : list(when.caller_source);
  // Whoever can send an event can write any name in it: a name alone moves no money to a team.
  const named = caller !== undefined || when.acting_as !== undefined;
  const verified = when.verified ?? (named ? true : 'any');
  return {
    rule,
    index,
    fields,
    tags: new Map(
      Object.entries(when.tags ?? {}).map(([name, source]) => [fold(name), compilePattern(source)]),
    ),
    sources: sources === null ? null : new Set(sources),
    verified: verified === 'any' ? null : verified,
    ip: when.ip === undefined ? null : compileIp(list(when.ip)),
    fromMs: rule.valid_from === undefined ? Number.NEGATIVE_INFINITY : instantMs(rule.valid_from),
    toMs: rule.valid_to === undefined ? Number.POSITIVE_INFINITY : instantMs(rule.valid_to),
    labels: [rule.team, rule.cost_center, rule.project, rule.environment].some(
      (value) => value !== undefined,
    ),
    model: rule.model !== undefined,
  };
}

function compileIp(ranges: readonly string[]): CompiledRule['ip'] {
  const blocks = new BlockList();
  for (const range of ranges) {
    const parsed = parseCidr(range);
    if (parsed !== null) blocks.addSubnet(parsed.address, parsed.prefix, parsed.family);
  }
  return { list: blocks, texts: new Set(ranges) };
}

/** A subject whose texts are folded when they are first asked for, once. */
export class FoldedSubject {
  readonly subject: Subject;
  readonly #fields: Partial<Record<TextField, string>> = {};
  #tags: Map<string, string> | undefined;

  constructor(subject: Subject) {
    this.subject = subject;
  }

  field(name: TextField): string {
    let text = this.#fields[name];
    if (text === undefined) {
      text = fold(this.subject[name]);
      this.#fields[name] = text;
    }
    return text;
  }

  /** By folded name; of names that fold alike the first one counts. */
  get tags(): ReadonlyMap<string, string> {
    if (this.#tags === undefined) {
      this.#tags = new Map();
      for (const name in this.subject.tags) {
        const key = fold(name);
        if (!this.#tags.has(key)) this.#tags.set(key, fold(this.subject.tags[name] as string));
      }
    }
    return this.#tags;
  }
}

/** Whether a rule fits, its time aside. An absent value fits no pattern, not even `*`. */
export function fitsRule(rule: CompiledRule, folded: FoldedSubject): boolean {
  const { subject } = folded;
  if (rule.verified !== null && rule.verified !== subject.caller_verified) return false;
  if (rule.sources !== null && !rule.sources.has(subject.caller_source)) return false;
  for (const [field, pattern] of rule.fields) {
    const text = folded.field(field);
    if (text === '' || !fits(pattern, text)) return false;
  }
  for (const [name, pattern] of rule.tags) {
    const text = folded.tags.get(name);
    if (text === undefined || !fits(pattern, text)) return false;
  }
  return rule.ip === null || fitsIp(rule.ip.list, subject.ip);
}

function fitsIp(ranges: BlockList, ip: string): boolean {
  // Dual-stack sockets report IPv4 peers as IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2).
  const address = ip.toLowerCase().startsWith('::ffff:') && isIP(ip.slice(7)) === 4 ? ip.slice(7) : ip;
  const version = isIP(address);
  return version !== 0 && ranges.check(address, version === 4 ? 'ipv4' : 'ipv6');
}
