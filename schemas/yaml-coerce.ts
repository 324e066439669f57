import type { z } from 'zod';

/**
 * What a schema expects at one place of a document: enough to know whether an unquoted scalar there is text, a
 * number or a boolean, and what is expected below.
 */
export interface Kind {
  /** Whether this text may stand here as it is. */
  text(text: string): boolean;
  readonly number: boolean;
  readonly boolean: boolean;
  /** An object: it may be written without a value, which is to leave it out. */
  readonly section: boolean;
  /** The schema knows nothing of this place. */
  readonly unknown: boolean;
  /** Expectation of a list's items. */
  item(): Kind;
  /** Expectation of the value under a key of a map. */
  key(name: string): Kind;
  /** Of a union, the choices that a map with these keys may be meant as. */
  forKeys(keys: readonly string[]): Kind;
}

const NUMBER = /^[-+]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const EMPTY = new Set(['', '~', 'null', 'Null', 'NULL']);

/**
 * The value that a scalar stands for. `undefined`: no value is written. Text wins where the schema takes text; a number with
 * leading zeros is none (is `010` eight or ten?), and `yes` is no boolean.
 */
export function coerceScalar(text: string, plain: boolean, kind: Kind): unknown {
  if (!plain) return text;
  if (kind.text(text)) return text === '' ? undefined : text;
  if (EMPTY.has(text)) return undefined;
  if (kind.number && NUMBER.test(text)) return Number(text);
  if (kind.boolean && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

const yes = (): boolean => true;
const no = (): boolean => false;

const ANY: Kind = {
  text: yes,
  number: false,
  boolean: false,
  section: false,
  unknown: false,
  item: () => ANY,
  key: () => ANY,
  forKeys: () => ANY,
};

const UNKNOWN: Kind = {
  ...ANY,
  text: no,
  unknown: true,
  item: () => UNKNOWN,
  key: () => UNKNOWN,
  forKeys: () => UNKNOWN,
};

const cache = new WeakMap<object, Kind>();

/** Reads the kind off a zod schema. */
export function kindOf(schema: z.core.$ZodType): Kind {
  const known = cache.get(schema);
  if (known !== undefined) return known;
  const kind = derive(schema as z.core.$ZodTypes);
  cache.set(schema, kind);
  return kind;
}

function made(part: Partial<Kind>): Kind {
  const kind: Kind = {
    ...ANY,
    text: no,
    item: () => UNKNOWN,
    key: () => UNKNOWN,
    forKeys: () => kind,
    ...part,
  };
  return kind;
}

function derive(schema: z.core.$ZodTypes): Kind {
  const def = schema._zod.def;
  switch (def.type) {
    case 'number':
      return made({ number: true });
    case 'boolean':
      return made({ boolean: true });
    case 'literal':
      return made({
        text: (text) => def.values.includes(text),
        number: def.values.some((value) => typeof value === 'number'),
        boolean: def.values.some((value) => typeof value === 'boolean'),
      });
    case 'enum': {
      const values = Object.values(def.entries);
      return made({ text: (text) => values.includes(text) });
    }
    case 'array':
      return made({ item: () => kindOf(def.element) });
    case 'tuple':
      return made({ item: () => union(def.items.map(kindOf)) });
    case 'record':
      return made({ key: () => kindOf(def.valueType) });
    case 'object':
      return made({
        section: true,
        key: (name) => {
          const field = Object.hasOwn(def.shape, name) ? def.shape[name] : undefined;
          return field === undefined ? UNKNOWN : kindOf(field);
        },
      });
    case 'union': {
      const options = def.options.map((option) => ({ kind: kindOf(option), keys: keysOf(option) }));
      return {
        ...union(options.map(({ kind }) => kind)),
        forKeys: (keys) => {
          const fits = options.filter((option) => keys.every((key) => option.keys?.has(key) ?? true));
          return union((fits.length > 0 ? fits : options).map(({ kind }) => kind));
        },
      };
    }
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'catch':
    case 'readonly':
      return kindOf(def.innerType);
    case 'pipe':
      return kindOf(def.in);
    case 'lazy':
      return lazy(() => kindOf(def.getter()));
    default:
      return ANY;
  }
}

function lazy(get: () => Kind): Kind {
  return {
    text: (text) => get().text(text),
    get number() {
      return get().number;
    },
    get boolean() {
      return get().boolean;
    },
    get section() {
      return get().section;
    },
    get unknown() {
      return get().unknown;
    },
    item: () => get().item(),
    key: (name) => get().key(name),
    forKeys: (keys) => get().forKeys(keys),
  };
}

function union(kinds: readonly Kind[]): Kind {
  if (kinds.length === 1) return kinds[0] as Kind;
  const self: Kind = {
    text: (text) => kinds.some((kind) => kind.text(text)),
    number: kinds.some((kind) => kind.number),
    boolean: kinds.some((kind) => kind.boolean),
    section: kinds.every((kind) => kind.section),
    unknown: kinds.every((kind) => kind.unknown),
    item: () => union(kinds.map((kind) => kind.item())),
    key: (name) => union(kinds.map((kind) => kind.key(name))),
    forKeys: () => self,
  };
  return self;
}

/** Keys of an object schema, or undefined where any key may stand. */
function keysOf(schema: z.core.$ZodType): Set<string> | undefined {
  const def = (schema as z.core.$ZodTypes)._zod.def;
  if (def.type === 'object') return new Set(Object.keys(def.shape));
  if ('innerType' in def) return keysOf(def.innerType as z.core.$ZodType);
  return undefined;
}
