import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, Scalar } from 'yaml';
import type { z } from 'zod';
import { ToolmeterError } from '../core/errors.ts';
import { coerceScalar, type Kind, kindOf } from './yaml-coerce.ts';

/** What is wrong with a YAML file, and where. Lines and columns count from 1; `path` reads `rules[3].team`. */
export interface YamlProblem {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  /** Never quotes a value: a secret may stand in the wrong place. */
  readonly message: string;
}

export type YamlPath = readonly PropertyKey[];

export type YamlResult<T> =
  | { readonly ok: true; readonly value: T; readonly locate: (path: YamlPath) => YamlPlace }
  | { readonly ok: false; readonly problems: readonly YamlProblem[] };

export interface YamlPlace {
  readonly line: number;
  readonly column: number;
}

/** Bounds that no file written by hand or by a directory export comes near. */
export const YAML_LIMITS = { bytes: 16 * 1024 * 1024, depth: 64, nodes: 2_000_000, aliasedNodes: 10_000 };
/** Problems listed of one file. */
const MAX_PROBLEMS = 50;

/**
 * Parses YAML 1.2 and checks it by a zod schema.
 *
 * Every scalar is text as it is written (`07`, `no`, `1e3`, `2026-01-01`) until the schema says otherwise: where it
 * asks for a number or a boolean, an unquoted scalar that is exactly one is taken as such. A section (an object of
 * the schema) without a value is left out; any other key without one is a problem. Duplicate keys, unknown keys (by the schema), merge keys, tags other than the plain ones,
 * several documents, and text that isn't UTF-8 are problems with their line; a byte order mark is skipped; aliases
 * are followed within `YAML_LIMITS`. Never throws for what stands in the file.
 */
export function parseYamlFile<S extends z.ZodType>(
  source: string | Uint8Array,
  schema: S,
  fileName: string,
): YamlResult<z.output<S>> {
  const decoded = decode(source);
  if ('problem' in decoded)
    return { ok: false, problems: [{ ...START, path: '', message: decoded.problem }] };
  const lines = new LineCounter();
  const root = readTree(decoded.text, lines);
  if (Array.isArray(root)) return { ok: false, problems: root };
  let anchors: Map<string, Node> | undefined;
  const locate = (path: YamlPath): YamlPlace => {
    if (anchors === undefined) {
      anchors = new Map();
      collectAnchors(root, anchors);
    }
    return placeOf(root, path, lines, anchors);
  };

  const builder = new Builder(lines);
  const value = builder.build(root, kindOf(schema), [], 0);
  if (builder.problems.length > 0) return { ok: false, problems: builder.problems };

  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return { ok: true, value: parsed.data, locate };
  const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, [], locate));
  return { ok: false, problems: sorted(problems).slice(0, MAX_PROBLEMS) };

  function sorted(list: YamlProblem[]): YamlProblem[] {
    return list.sort((a, b) => a.line - b.line || a.column - b.column);
  }
  function readTree(text: string, counter: LineCounter): Node | null | YamlProblem[] {
    try {
      const document = parseDocument(text, {
        schema: 'failsafe',
        version: '1.2',
        lineCounter: counter,
        prettyErrors: false,
        // Checked by `Builder`, which needs linear time for it.
        uniqueKeys: false,
        keepSourceTokens: false,
      });
      const found = [...document.errors, ...document.warnings].map((error) => ({
        ...at(counter, error.pos[0]),
        path: '',
        // The parser's own words for it advise a programmer.
        message:
          error.code === 'MULTIPLE_DOCS' ? 'the file holds more than one document (---)' : error.message,
      }));
      if (found.length > 0) return sorted(found).slice(0, MAX_PROBLEMS);
      return document.contents;
    } catch (error) {
      // The parser is recursive: text nested a thousand levels deep ends its stack.
      if (!(error instanceof RangeError)) throw error;
      return [{ ...START, path: '', message: `${fileName} is nested too deeply` }];
    }
  }
}

/** The error that a user sees for a file with problems: `file:line:column: path: message`, one a line. */
export function yamlError(
  code: string,
  fileName: string,
  problems: readonly YamlProblem[],
  hint: string,
): ToolmeterError {
  return new ToolmeterError(
    code,
    problems.map((problem) => formatProblem(fileName, problem)).join('\n'),
    hint,
  );
}

export function formatProblem(fileName: string, { line, column, path, message }: YamlProblem): string {
  return `${fileName}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}

const START: YamlPlace = { line: 1, column: 1 };

function decode(source: string | Uint8Array): { text: string } | { problem: string } {
  if (source.length > YAML_LIMITS.bytes)
    return { problem: `the file is larger than ${YAML_LIMITS.bytes / 1024 / 1024} MiB` };
  let text: string;
  if (typeof source === 'string') text = source;
  else {
    if ((source[0] === 0xff && source[1] === 0xfe) || (source[0] === 0xfe && source[1] === 0xff))
      return { problem: 'the file is UTF-16; save it as UTF-8' };
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source);
    } catch {
      return { problem: 'the file is not UTF-8' };
    }
  }
  if (text.includes('\0')) return { problem: 'the file holds a NUL character' };
  return { text: text.startsWith('\uFEFF') ? text.slice(1) : text };
}

function at(lines: LineCounter, offset: number): YamlPlace {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** Turns nodes into plain values, scalars by the kind that the schema expects, and collects what can't be one. */
class Builder {
  readonly problems: YamlProblem[] = [];
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #nodes = 0;
  #aliased = 0;
  #inAlias = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  build(node: unknown, kind: Kind, path: PropertyKey[], depth: number): unknown {
    if (node === null || node === undefined) return this.#empty(null, kind, path);
    if (this.problems.length >= MAX_PROBLEMS) return undefined;
    this.#nodes++;
    if (this.#inAlias > 0) this.#aliased++;
    if (depth > YAML_LIMITS.depth) return this.#fail(node as Node, path, 'is nested too deeply');
    if (this.#nodes > YAML_LIMITS.nodes)
      return this.#stop(node as Node, path, 'the file holds too many values');
    if (this.#aliased > YAML_LIMITS.aliasedNodes)
      return this.#stop(node as Node, path, 'aliases (*name) repeat too many values');
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined)
        return this.#fail(node, path, 'is an alias of an anchor that is not set before it');
      if (this.#open.has(target)) return this.#fail(node, path, 'is an alias of a value that holds it');
      this.#inAlias++;
      const value = this.build(target, kind, path, depth + 1);
      this.#inAlias--;
      return value;
    }
    if (!isScalar(node) && !isMap(node) && !isSeq(node))
      return this.#fail(node as Node, path, 'is not a value');
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (node.tag !== undefined && !PLAIN_TAGS.has(node.tag))
      return this.#fail(node, path, `has the tag ${node.tag}; only plain values are read`);
    if (isScalar(node)) {
      const plain = node.type === Scalar.PLAIN || node.type === undefined;
      const value = coerceScalar(String(node.value ?? ''), plain, kind);
      return value === undefined ? this.#empty(node, kind, path) : value;
    }
    this.#open.add(node);
    const value = isMap(node)
      ? this.#map(node.items, kind, path, depth)
      : this.#list(node.items, kind, path, depth);
    this.#open.delete(node);
    return value;
  }

  #list(items: readonly unknown[], kind: Kind, path: PropertyKey[], depth: number): unknown[] {
    const expected = kind.item();
    return items.map((item, index) => this.build(item, expected, [...path, index], depth + 1) ?? {});
  }

  #map(
    items: readonly { key: unknown; value?: unknown }[],
    kind: Kind,
    path: PropertyKey[],
    depth: number,
  ): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const seen = new Map<string, Node>();
    const keys = items.map(({ key }) => keyText(key));
    const chosen = kind.forKeys(keys.filter((key) => key !== undefined));
    for (const [index, { key: keyNode, value: valueNode }] of items.entries()) {
      const key = keys[index];
      const node = keyNode as Node;
      if (key === undefined) {
        this.#fail(node ?? (valueNode as Node), path, 'has a key that is not text');
        continue;
      }
      const here = [...path, key];
      const first = seen.get(key);
      if (first !== undefined) {
        this.#fail(node, here, `is a duplicate of the key in line ${this.#place(first).line}`);
        continue;
      }
      seen.set(key, node);
      if (key === '__proto__') this.#fail(node, here, 'is not allowed as a key');
      else if (key === '<<') this.#fail(node, here, 'merge keys are not read; write the values out');
      else {
        const built = this.build(valueNode, chosen.key(key), here, depth + 1);
        if (built !== undefined) value[key] = built;
      }
    }
    return value;
  }

  /** Left out, where a section may be; told, where a forgotten value would change what the rest means. */
  #empty(node: Node | null, kind: Kind, path: PropertyKey[]): unknown {
    if (kind.section || path.length === 0) return undefined;
    if (kind.unknown) return '';
    return this.#fail(node, path, 'has no value');
  }

  #place(node: Node | null | undefined): YamlPlace {
    return node?.range ? at(this.#lines, node.range[0]) : START;
  }

  #fail(node: Node | null, path: YamlPath, message: string): undefined {
    this.problems.push({ ...this.#place(node), path: formatPath(path), message });
    return undefined;
  }

  /** A problem after which nothing more is read. */
  #stop(node: Node, path: YamlPath, message: string): undefined {
    if (this.problems.at(-1)?.message !== message) this.#fail(node, path, message);
    while (this.problems.length < MAX_PROBLEMS) this.problems.push(this.problems[0] as YamlProblem);
    this.problems.length = 1;
    return undefined;
  }
}

const PLAIN_TAGS = new Set(['tag:yaml.org,2002:str', 'tag:yaml.org,2002:map', 'tag:yaml.org,2002:seq', '!']);

function keyText(key: unknown): string | undefined {
  return isScalar(key) && typeof key.value === 'string' ? key.value : undefined;
}

/** Where the value at a path stands; of a path that isn't there, where its nearest parent does. */
function placeOf(
  root: Node | null,
  path: YamlPath,
  lines: LineCounter,
  anchors: ReadonlyMap<string, Node>,
): YamlPlace {
  let node: unknown = root;
  let place: YamlPlace = root?.range ? at(lines, root.range[0]) : START;
  for (const step of path) {
    if (isAlias(node)) node = anchors.get(node.source);
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyText(key) === String(step));
      if (pair === undefined) break;
      place = isScalar(pair.key) && pair.key.range ? at(lines, pair.key.range[0]) : place;
      next = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      next = node.items[step];
      const range = (next as Node | undefined)?.range;
      if (range) place = at(lines, range[0]);
    }
    if (next === undefined || next === null) break;
    node = next;
  }
  return place;
}

function collectAnchors(node: unknown, anchors: Map<string, Node>): void {
  if (isAlias(node) || node === null || node === undefined) return;
  const anchor = (node as { anchor?: string }).anchor;
  if (anchor !== undefined) anchors.set(anchor, node as Node);
  if (isMap(node)) for (const { value } of node.items) collectAnchors(value, anchors);
  else if (isSeq(node)) for (const item of node.items) collectAnchors(item, anchors);
}

export function formatPath(path: YamlPath): string {
  let out = '';
  for (const step of path)
    out += typeof step === 'number' ? `[${step}]` : `${out === '' ? '' : '.'}${String(step)}`;
  return out;
}

/** The problems of a zod issue; of a union, those of the choice that fits furthest. */
function problemsOf(
  issue: z.core.$ZodIssue,
  parent: YamlPath,
  locate: (path: YamlPath) => YamlPlace,
): YamlProblem[] {
  const path = [...parent, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      ...locate([...path, key]),
      path: formatPath([...path, key]),
      message: 'is not a known key',
    }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const reach = (issues: z.core.$ZodIssue[]): number =>
      Math.max(0, ...issues.map((one) => one.path.length)) - (issues.length > 1 ? 0.5 : 0);
    const best = issue.errors.reduce((a, b) => (reach(b) > reach(a) ? b : a));
    // No choice got further than the value itself: what the schema's author says of it is the better word.
    if (reach(best) <= 0 && issue.message !== 'Invalid input')
      return [{ ...locate(path), path: formatPath(path), message: issue.message }];
    return best.flatMap((one) => problemsOf(one, path, locate));
  }
  return [{ ...locate(path), path: formatPath(path), message: issue.message }];
}
