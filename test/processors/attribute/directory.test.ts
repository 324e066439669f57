import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Directory, readDirectory, type Subject } from '../../../processors/attribute/index.ts';

const NOBODY: Subject = {
  caller: 'ada',
  caller_source: 'jwt',
  caller_verified: true,
  acting_as: '',
  collector: 'c1',
  server: 'search',
  tool: 'query',
  client: 'Claude Desktop',
  ip: '10.1.2.3',
  tags: {},
};
const directory = (text: string): Directory => {
  const result = readDirectory(text, 'directory.yaml');
  if (!result.ok)
    throw new Error(
      result.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`).join('\n'),
    );
  return result.directory;
};
const problems = (text: string): string[] => {
  const result = readDirectory(text, 'directory.yaml');
  return result.ok ? [] : result.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);
};
const team = (when: string, subject: Partial<Subject> = {}): string =>
  directory(`rules: [ { id: r, team: red, when: ${when} } ]`).attribute({ ...NOBODY, ...subject }, 0).team;

describe('a rule fits', () => {
  it.each<[string, Partial<Subject>, boolean]>([
    ['any', {}, true],
    ['{ caller: ada }', {}, true],
    ['{ caller: " ADA" }', {}, true],
    ['{ caller: [bob, ada] }', {}, true],
    ['{ caller: "a*" }', {}, true],
    ['{ caller: bob }', {}, false],
    ['{ caller: ada }', { caller_verified: false }, false],
    ['{ caller: ada, verified: any }', { caller_verified: false }, true],
    ['{ caller: ada, verified: false }', {}, false],
    ['{ caller: ada, verified: false }', { caller_verified: false }, true],
    ['{ caller: "07" }', { caller: '07' }, true],
    ['{ caller: 07 }', { caller: '07' }, true],
    ['{ caller: no }', { caller: 'no' }, true],
    ['{ caller: 1e3 }', { caller: '1e3' }, true],
    ['{ caller: "*" }', { caller: '' }, false],
    ['{ api_key: ada }', { caller_source: 'api_key' }, true],
    ['{ api_key: ada }', {}, false],
    ['{ os_user: ada }', { caller_source: 'os_user' }, true],
    ['{ os_user: ada }', { caller_source: 'declared' }, false],
    ['{ caller_source: [jwt, mtls] }', {}, true],
    ['{ caller_source: mtls }', {}, false],
    ['{ acting_as: eve }', { acting_as: 'Eve' }, true],
    ['{ acting_as: eve }', { acting_as: 'eve', caller_verified: false }, false],
    ['{ collector: c1 }', {}, true],
    ['{ server: search, tool: "q*" }', {}, true],
    ['{ server: search, tool: other }', {}, false],
    ['{ client: claude desktop }', { caller_verified: false }, true],
    ['{ tags: { env: prod } }', { tags: { env: 'Prod' } }, true],
    ['{ tags: { Env: prod } }', { tags: { env: 'prod' } }, true],
    ['{ tags: { env: prod } }', { tags: { stage: 'prod' } }, false],
    ['{ tags: { env: prod, repo: "acme/*" } }', { tags: { env: 'prod', repo: 'acme/x' } }, true],
    ['{ tags: { env: prod, repo: "acme/*" } }', { tags: { env: 'prod' } }, false],
    ['{ tags: { constructor: x } }', {}, false],
    ['{ ip: 10.0.0.0/8 }', {}, true],
    ['{ ip: 10.0.0.0/8 }', { ip: '::ffff:10.9.9.9' }, true],
    ['{ ip: [192.168.0.0/16, 10.1.2.3] }', {}, true],
    ['{ ip: 10.1.2.4 }', {}, false],
    ['{ ip: 2001:db8::/32 }', { ip: '2001:db8::1' }, true],
    ['{ ip: 10.0.0.0/8 }', { ip: '' }, false],
    ['{ ip: 10.0.0.0/8 }', { ip: 'unknown' }, false],
  ])('%s on %j: %s', (when, subject, fits) => expect(team(when, subject)).toBe(fits ? 'red' : ''));
});

describe('the directory', () => {
  const file = `
rules:
  - { id: ada-then, when: { caller: ada }, valid_to: 2026-07-01, team: red, cost_center: "0042", project: p, environment: prod }
  - { id: ada-now, when: { caller: ada }, valid_from: 2026-07-01, team: blue }
  - { id: desktop, when: { client: claude* }, model: claude-sonnet-4-5 }
  - { id: search, when: { server: search, verified: any }, team: search, model: gpt-4o }
  - { id: rest, when: any, cost_center: "none" }
`;
  const at = (time: string, subject: Partial<Subject> = {}) =>
    directory(file).attribute({ ...NOBODY, ...subject }, Date.parse(time));

  it('lets the first rule that fits decide, at the time of the call', () => {
    expect(at('2026-06-30T23:59:59.999Z')).toEqual({
      team: 'red',
      cost_center: '0042',
      project: 'p',
      environment: 'prod',
      model: 'claude-sonnet-4-5',
      labelsRule: 'ada-then',
      modelRule: 'desktop',
    });
    expect(at('2026-07-01T00:00:00Z')).toMatchObject({
      team: 'blue',
      cost_center: '',
      labelsRule: 'ada-now',
    });
  });
  it('decides labels and model each by its own first rule', () => {
    expect(at('2026-06-01', { caller: 'bob', client: 'x' })).toMatchObject({
      team: 'search',
      model: 'gpt-4o',
      labelsRule: 'search',
      modelRule: 'search',
    });
    expect(at('2026-06-01', { caller: 'bob', server: 's' })).toMatchObject({
      team: '',
      cost_center: 'none',
      model: 'claude-sonnet-4-5',
      labelsRule: 'rest',
      modelRule: 'desktop',
    });
  });

  it('decides as the list read from top to bottom would', () => {
    const value = fc.constantFrom('a', 'b', 'c*', '*');
    const when = fc.record(
      {
        caller: value,
        server: value,
        tool: value,
        client: value,
        tags: fc.dictionary(fc.constantFrom('t', 'u'), value, { minKeys: 1, maxKeys: 2 }),
      },
      { requiredKeys: [] },
    );
    const subjects = fc.record({
      caller: fc.constantFrom('a', 'b', 'c1', ''),
      server: fc.constantFrom('a', 'b', 'c2'),
      tool: fc.constantFrom('a', 'c3', ''),
      client: fc.constantFrom('b', 'c4', ''),
      tags: fc.dictionary(fc.constantFrom('t', 'u'), fc.constantFrom('a', 'b', 'c5'), { maxKeys: 2 }),
    });
    let decided = 0;
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(when, { minLength: 1, maxLength: 8 }),
        fc.array(subjects, { minLength: 20, maxLength: 20 }),
        (whens, asked) => {
          const asks = whens.map((one) => (Object.keys(one).length === 0 ? 'any' : one));
          const rules = asks.map((one, i) => ({ id: `r${i}`, when: one, team: `t${i}` }));
          const result = readDirectory(JSON.stringify({ rules }), 'd');
          const plain = asked.map((subject) => rules.findIndex((rule) => naive(rule.when, subject)));
          if (!result.ok) {
            refused++;
            // What is said to decide nothing never comes first.
            for (const { path } of result.problems)
              expect(plain).not.toContain(Number(/\d+/.exec(path)?.[0]));
            return;
          }
          for (const [i, subject] of asked.entries()) {
            const found = result.directory.attribute({ ...NOBODY, ...subject }, 0);
            expect(found.team).toBe(plain[i] === -1 ? '' : `t${plain[i]}`);
            if (plain[i] !== -1) decided++;
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(Math.min(decided, refused)).toBeGreaterThan(20);
  });

  it('takes calls past ten thousand rules', () => {
    const rules = Array.from({ length: 10_000 }, (_, i) => ({
      id: `r${i}`,
      when: { caller: `user-${i}` },
      team: `t${i}`,
    }));
    const big = directory(JSON.stringify({ rules }));
    const subject = { ...NOBODY, caller: 'User-777', tags: { env: 'prod' } };
    const teams = new Set<string | null>();
    for (let i = 0; i < 200_000; i++) teams.add(big.attribute(subject, 0).team);
    expect([...teams]).toEqual(['t777']);
  });
});

function naive(when: unknown, subject: Record<string, unknown>): boolean {
  if (when === 'any') return true;
  const fits = (pattern: string, text: unknown): boolean =>
    typeof text === 'string' &&
    text !== '' &&
    (pattern === '*' || (pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern));
  return Object.entries(when as Record<string, unknown>).every(([key, pattern]) =>
    key === 'tags'
      ? Object.entries(pattern as Record<string, string>).every(([tag, one]) =>
          fits(one, (subject.tags as Record<string, string>)[tag]),
        )
      : fits(pattern as string, subject[key]),
  );
}

describe('problems have their line', () => {
  it.each([
    [
      'an unknown key',
      'rules:\n  - id: a\n    when: { caler: x }\n    team: t\n',
      [/^3 rules\[0\]\.when\.caler: is not a known key/],
    ],
    [
      'a forgotten condition',
      'rules:\n  - id: a\n    when:\n      caller:\n    team: t\n',
      [/^4 rules\[0\]\.when\.caller: has no value/],
    ],
    [
      'no condition',
      'rules:\n  - id: a\n    when: { verified: true }\n    team: t\n',
      [/^3 rules\[0\]\.when: asks for nothing/],
    ],
    ['no decision', 'rules:\n  - id: a\n    when: any\n', [/^2 rules\[0\]: decides nothing/]],
    [
      'a wrong range',
      'rules:\n  - id: a\n    when: { ip: 10.0.0.0/33 }\n    team: t\n',
      [/^3 rules\[0\]\.when\.ip: expected an address or a range/],
    ],
    [
      'a wrong date',
      'rules:\n  - id: a\n    when: any\n    valid_from: 2026-02-30\n    team: t\n',
      [/^4 rules\[0\]\.valid_from: expected a day/],
    ],
    [
      'an end before its beginning',
      'rules:\n  - { id: a, when: any, team: t, valid_from: 2026-02-02, valid_to: 2026-02-01 }\n',
      [/^2 rules\[0\]: ends before it begins/],
    ],
    [
      'one id twice',
      'rules:\n  - { id: a, when: { tool: x }, team: t }\n  - { id: a, when: { tool: y }, team: t }\n',
      [/^3 rules\[1\]\.id: is the id of the rule in line 2 too/],
    ],
    [
      'one id in two ways of writing it',
      'rules:\n  - { id: Aﬁ, when: { tool: x }, team: t }\n  - { id: afi, when: { tool: y }, team: t }\n',
      [/^3 rules\[1\]\.id: is the id of the rule in line 2 too/],
    ],
    [
      'one tag twice',
      'rules:\n  - id: a\n    team: t\n    when:\n      tags:\n        App: x\n        ＡＰＰ: y\n',
      [/^7 rules\[0\]\.when\.tags\.ＡＰＰ: is the same name as another/],
    ],
    ['a file that was cut to nothing', '', [/^1 rules: expected a list; for no rules write `rules: \[\]`/]],
    ['rules without any', 'rules:\n', [/^1 rules: /]],
    [
      'a key twice',
      'rules:\n  - id: a\n    when: any\n    team: t\n    team: u\n',
      [/^5 rules\[0\]\.team: is a duplicate of the key in line 4/],
    ],
    [
      'the same question',
      'rules:\n  - { id: a, when: { tool: [x, Y] }, team: t }\n  - { id: b, when: { tool: [y, X] }, team: u }\n',
      [/^3 rules\[1\]: asks for the same as rule "a" in line 2, at the same time/],
    ],
    [
      'the same question for a while',
      'rules:\n  - { id: a, when: { tool: x }, team: t, valid_to: 2026-06-02 }\n  - { id: b, when: { tool: x }, team: u, valid_from: 2026-06-01 }\n',
      [/^3 rules\[1\]: asks for the same/],
    ],
    [
      'one key in two lists',
      'rules:\n  - { id: a, when: { api_key: [k-17, k-18] }, team: t }\n  - id: b\n    team: u\n    when:\n      api_key:\n        - k-16\n        - K-18\n',
      [/^8 rules\[1\]\.when\.api_key\[1\]: asks for the same as rule "a" in line 2, at the same time/],
    ],
    [
      'one tag in two lists, for a while',
      'rules:\n  - { id: a, when: { tags: { app: [x, y] } }, team: t, valid_to: 2026-06-02 }\n  - { id: b, when: { tags: { APP: [z, y] } }, team: u, valid_from: 2026-06-01 }\n',
      [/^3 rules\[1\]\.when\.tags\.APP\[1\]: asks for the same/],
    ],
    [
      'one item that another rule hides',
      'rules:\n  - { id: a, when: { tool: "x*" }, team: t }\n  - { id: b, when: { tool: [y, x1], server: s }, team: u }\n',
      [/^3 rules\[1\]\.when\.tool\[1\]: decides nothing: rule "a" in line 2 comes first/],
    ],
    [
      'a rule that another hides',
      'rules:\n  - { id: a, when: { tool: "x*" }, team: t }\n  - { id: b, when: { tool: [x1, "xy*"], server: s }, team: u }\n',
      [/^3 rules\[1\]: decides nothing: rule "a" in line 2 comes first/],
    ],
    [
      'all that stands behind a rule for any',
      'rules:\n  - { id: a, when: any, team: t }\n  - { id: b, when: { tool: x }, team: u }\n',
      [/^3 rules\[1\]: decides nothing/],
    ],
  ])('%s', (_title, text, expected) =>
    expect(problems(text)).toEqual(expected.map((one) => expect.stringMatching(one))),
  );

  it.each([
    [
      'one after the other',
      '{ id: a, when: { tool: x }, team: t, valid_to: 2026-06-01 }',
      '{ id: b, when: { tool: x }, team: u, valid_from: 2026-06-01 }',
    ],
    [
      'the exception before the rule',
      '{ id: a, when: { tool: x, server: s }, team: t }',
      '{ id: b, when: { tool: x }, team: u }',
    ],
    [
      'a temporary exception',
      '{ id: a, when: { tool: x }, team: t, valid_to: 2026-06-01 }',
      '{ id: b, when: any, team: u }',
    ],
    [
      'labels here, model there',
      '{ id: a, when: { tool: x }, team: t }',
      '{ id: b, when: { tool: x }, model: m }',
    ],
    [
      'verified, then whoever',
      '{ id: a, when: { caller: x }, team: t }',
      '{ id: b, when: { caller: x, verified: any }, team: u }',
    ],
    [
      'one key in two lists, one after the other',
      '{ id: a, when: { tool: [x, y] }, team: t, valid_to: 2026-06-01 }',
      '{ id: b, when: { tool: [y, z] }, team: u, valid_from: 2026-06-01 }',
    ],
    [
      'one key in two lists of rules that ask for more',
      '{ id: a, when: { tool: [x, y], server: s }, team: t }',
      '{ id: b, when: { tool: [y, z], client: c }, team: u }',
    ],
    ['crossing', '{ id: a, when: { tool: x }, team: t }', '{ id: b, when: { server: s }, team: u }'],
  ])('nothing is wrong with %s', (_title, first, second) =>
    expect(problems(`rules:\n  - ${first}\n  - ${second}\n`)).toEqual([]),
  );

  it('finds them among five thousand rules', () => {
    const rules = Array.from(
      { length: 5000 },
      (_, i) => `  - { id: r${i}, when: { caller: u${i % 4999} }, team: t }`,
    );
    expect(problems(`rules:\n${rules.join('\n')}\n`)).toEqual([
      expect.stringMatching(/^5001 rules\[4999\]: asks for the same as rule "r0" in line 2/),
    ]);
  });
});
