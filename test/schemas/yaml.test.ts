import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { formatProblem, parseYamlFile } from '../../schemas/yaml.ts';

const Sample = z.strictObject({
  name: z.string().optional(),
  port: z.int().min(1).optional(),
  on: z.boolean().optional(),
  ids: z.array(z.string()).optional(),
  names: z.record(z.string(), z.string()).optional(),
  section: z.strictObject({ size: z.number().default(3) }).prefault({}),
  either: z.union([z.boolean(), z.literal('any'), z.enum(['1', 'x'])]).optional(),
  secret: z.union([z.strictObject({ env: z.string() }), z.strictObject({ line: z.int() })]).optional(),
});

const read = (text: string | Uint8Array) => parseYamlFile(text, Sample, 'sample.yaml');
const value = (text: string | Uint8Array) => {
  const result = read(text);
  if (!result.ok) throw new Error(result.problems.map((one) => formatProblem('sample.yaml', one)).join('\n'));
  return result.value;
};
const problems = (text: string | Uint8Array): string[] => {
  const result = read(text);
  if (result.ok) throw new Error(`no problem in ${JSON.stringify(result.value)}`);
  return result.problems.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
};

describe('text stays text', () => {
  it.each([
    '07',
    'no',
    'yes',
    '1e3',
    'null',
    '~',
    '2026-01-01',
    '0x1F',
    'true',
    '12345678901234567890',
    '.inf',
    '1_000',
    'NaN',
    '12:30:45',
  ])('ids and keys: %s', (text) => {
    expect(value(`name: ${text}\nids: [${text}]\nnames:\n  ${text}: ${text}\n`)).toMatchObject({
      name: text,
      ids: [text],
      names: { [text]: text },
    });
  });
});

describe('scalars that the schema wants otherwise', () => {
  it('takes exact numbers and booleans', () => {
    expect(value('port: 8080\non: true\nsection:\n  size: 2.5e-1\nsecret: {line: 4}')).toMatchObject({
      port: 8080,
      on: true,
      section: { size: 0.25 },
      secret: { line: 4 },
    });
  });
  it('takes the one of a choice that it is', () => {
    expect(['true', 'any', '1', 'x'].map((text) => value(`either: ${text}`).either)).toEqual([
      true,
      'any',
      '1',
      'x',
    ]);
    expect(problems('either:\n')).toEqual(['1:8 either: has no value']);
  });
  it.each([
    ['port: "8080"', '1:1 port: Invalid input: expected number, received string'],
    ['port: 010', '1:1 port: Invalid input: expected number, received string'],
    ['on: yes', '1:1 on: Invalid input: expected boolean, received string'],
    ['on: True', '1:1 on: Invalid input: expected boolean, received string'],
    ['port: 0', '1:1 port: Too small: expected number to be >=1'],
  ])('%s', (text, problem) => expect(problems(text)).toEqual([problem]));
});

describe('what is not given', () => {
  it.each(['', '# only a comment\n', '---\n', '\uFEFF', 'section:\n', 'section: ~\n'])(
    '%j is all defaults',
    (text) => {
      expect(value(text)).toEqual({ section: { size: 3 } });
    },
  );
  it('a forgotten value is told, in a list and a record too', () => {
    expect(problems('name:\nids:\n  - a\n  -\nnames:\n  a:\n')).toEqual([
      '1:6 name: has no value',
      '4:4 ids[1]: has no value',
      '6:5 names.a: has no value',
    ]);
    expect(problems('ids:\n')).toEqual(['1:5 ids: has no value']);
  });
});

describe('problems have their line', () => {
  it('unknown keys, also without a value', () => {
    expect(problems('name: a\nnmae: b\nsection:\n  sise:\n')).toEqual([
      '2:1 nmae: is not a known key',
      '4:3 section.sise: is not a known key',
    ]);
  });
  it('duplicate keys, however they are written', () => {
    expect(problems('names:\n  a: 1\n  b: 2\n  "a": 3\n')).toEqual([
      '4:3 names.a: is a duplicate of the key in line 2',
    ]);
  });
  it('the fitting choice of a union', () => {
    expect(problems('secret:\n  line: x\n')).toEqual([
      '2:3 secret.line: Invalid input: expected number, received string',
    ]);
  });
  it('tabs, several documents, tags, merge keys, prototypes, UTF-16, NUL, Latin-1', () => {
    expect(problems('section:\n\tsize: 1\n')[0]).toMatch(/^2:1 : .*[Tt]ab/);
    expect(problems('name: a\n---\nname: b\n')[0]).toMatch(/^2:1 : .*more than one document/);
    expect(problems('name: !!int 5\n')[0]).toMatch(/^1:7 /);
    expect(problems('name: !secret x\n')[0]).toMatch(/^1:7 /);
    expect(problems('names: &n {a: b}\nsection:\n  <<: *n\n')[0]).toMatch(/^3:3 section.<<: merge keys/);
    expect(problems('names:\n  __proto__: x\n')).toEqual(['2:3 names.__proto__: is not allowed as a key']);
    expect(problems('names:\n  [a, b]: x\n')[0]).toMatch(/^2:3 names: has a key that is not text/);
    expect(problems(Buffer.from('\uFEFFname: a', 'utf16le'))).toEqual([
      '1:1 : the file is UTF-16; save it as UTF-8',
    ]);
    expect(problems('name: "a\0"')).toEqual(['1:1 : the file holds a NUL character']);
    expect(problems(Buffer.from([0x6e, 0x3a, 0x20, 0xe4]))).toEqual(['1:1 : the file is not UTF-8']);
  });
  it('a file that is a list or a scalar', () => {
    expect(problems('- a\n- b\n')).toEqual(['1:1 : Invalid input: expected object, received array']);
    expect(problems('just text')).toEqual(['1:1 : Invalid input: expected object, received string']);
  });
  it('locates what is there and, else, its parent', () => {
    const result = read('name: a\nids:\n  - x\n  - y\n');
    if (!result.ok) throw new Error('not read');
    expect(result.locate(['ids', 1])).toEqual({ line: 4, column: 5 });
    expect(result.locate(['ids', 7])).toEqual({ line: 2, column: 1 });
    expect(result.locate(['section', 'size'])).toEqual({ line: 1, column: 1 });
  });
  it('counts lines right after a byte order mark and with CRLF', () => {
    expect(problems('\uFEFFname: a\r\nnope: b\r\n')).toEqual(['2:1 nope: is not a known key']);
  });
});

describe('aliases', () => {
  it('are followed', () => {
    expect(value('names: &n {a: b}\nids: [&x one, *x]\n')).toMatchObject({ ids: ['one', 'one'] });
  });
  it('that explode, loop or hang are problems, quickly', () => {
    let bomb = 'a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n';
    for (let i = 1; i < 12; i++)
      bomb += `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(',')}]\n`;
    expect(problems(bomb)).toEqual([expect.stringMatching(/aliases \(\*name\) repeat too many values/)]);
    expect(problems('ids: &i [*i]\n')[0]).toMatch(/is an alias of a value that holds it/);
    expect(problems('ids: [*nope]\n')[0]).toMatch(/1:\d+ /);
  });
});

describe('size', () => {
  it('refuses what is nested too deeply', () => {
    expect(problems(`ids: ${'['.repeat(100)}${']'.repeat(100)}`)[0]).toMatch(/nested too deeply/);
    expect(problems(`ids: ${'['.repeat(100_000)}`)[0]).toBeDefined();
  });
  it('takes linear time for many keys', () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `  k${i}: v`).join('\n');
    expect(Object.keys(value(`names:\n${keys}\n`).names ?? {})).toHaveLength(20_000);
  });
});
