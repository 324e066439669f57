import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compare, outcomeOf } from './conformance-compare.ts';
import { type ServerCommand, type Step, tool } from './conformance-session.ts';

const folder = mkdtempSync(join(tmpdir(), 'toolmeter-servers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

const dist = (name: string): string => resolve(`node_modules/@modelcontextprotocol/${name}/dist/index.js`);
const EVERYTHING: Step[] = [
  500, // It asks for the roots 350 ms after the start.
  ['ping'],
  ['listTools'],
  tool('echo', { message: 'grüß dich, 世界 😀 \u2028 \u0000' }),
  tool('echo', { message: 'x'.repeat(200_000) }),
  tool('echo', {}),
  tool('no-such-tool'),
  tool('get-sum', { a: 0.1, b: 1e21 }),
  tool('get-tiny-image'),
  tool('get-annotated-message', { messageType: 'error', includeImage: true }),
  tool('get-resource-links', { count: 4 }),
  tool('get-resource-reference', { resourceType: 'Blob', resourceId: 3 }),
  tool('get-structured-content', { location: 'Chicago' }),
  tool('trigger-long-running-operation', { duration: 0.3, steps: 3 }, { progress: true }),
  tool('trigger-sampling-request', { prompt: 'say', maxTokens: 5 }),
  tool('trigger-elicitation-request'),
  tool('get-roots-list'),
  tool('trigger-long-running-operation', { duration: 5, steps: 1 }, { cancelAfterMs: 200 }),
  ['listPrompts'],
  ['getPrompt', { name: 'args-prompt', arguments: { city: 'Graz', state: 'Styria' } }],
  ['getPrompt', { name: 'args-prompt', arguments: {} }],
  [
    'complete',
    { ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'S' } },
  ],
  ['listResources'],
  ['listResourceTemplates'],
  ['readResource', { uri: 'demo://resource/dynamic/text/7' }],
  ['readResource', { uri: 'demo://resource/none' }],
  ['subscribeResource', { uri: 'demo://resource/dynamic/text/7' }],
  ['unsubscribeResource', { uri: 'demo://resource/dynamic/text/7' }],
  ['setLoggingLevel', 'debug'],
];

const MEMORY: Step[] = [
  ['listTools'],
  tool('create_entities', {
    entities: [{ name: 'Ada', entityType: 'person', observations: ['wrote a program', '日本語'] }],
  }),
  tool('create_relations', { relations: [{ from: 'Ada', to: 'Ada', relationType: 'is' }] }),
  tool('add_observations', { observations: [{ entityName: 'Nobody', contents: ['x'] }] }),
  tool('search_nodes', { query: 'program' }),
  tool('open_nodes', { names: ['Ada'] }),
  tool('read_graph'),
  tool('delete_entities', { entityNames: ['Ada'] }),
  tool('read_graph'),
];

const filesystem = (root: string): Step[] => [
  ['listTools'],
  tool('list_allowed_directories'),
  tool('write_file', { path: join(root, 'a b.txt'), content: 'one\r\ntwo\u2029\n'.repeat(1000) }),
  tool('read_text_file', { path: join(root, 'a b.txt'), head: 3 }),
  tool('edit_file', {
    path: join(root, 'big.txt'),
    edits: [{ oldText: 'line 5\n', newText: 'LINE 5\n' }],
    dryRun: true,
  }),
  tool('read_text_file', { path: join(root, 'big.txt') }),
  tool('read_media_file', { path: join(root, 'picture.png') }),
  tool('read_text_file', { path: '/etc/passwd' }),
  tool('list_directory_with_sizes', { path: root }),
  tool('search_files', { path: root, pattern: '*.txt' }),
  ['listPrompts'],
];

/** A folder that looks the same each time. */
function freshFolder(): string {
  const root = join(folder, 'files');
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root);
  writeFileSync(join(root, 'big.txt'), Array.from({ length: 60_000 }, (_, i) => `line ${i}\n`).join(''));
  writeFileSync(join(root, 'picture.png'), Buffer.alloc(100_000, 7));
  return root;
}

const node = (file: string, args: string[] = [], env: Record<string, string> = {}): ServerCommand => ({
  command: process.execPath,
  args: [file, ...args],
  env,
});

describe.each(['v1', 'v2'] as const)(
  'a client of SDK %s sees the same messages behind the wrapper as without',
  (sdk) => {
    test('server-everything', async () => {
      const session = await compare(folder, sdk, () => ({
        server: node(dist('server-everything'), ['stdio']),
        steps: EVERYTHING,
      }));
      const asked = session.unasked.map(({ method }) => method);
      expect(asked).toContain('sampling/createMessage');
      expect(asked).toContain('elicitation/create');
      expect(asked).toContain('roots/list');
      expect(asked).toContain('notifications/progress');
      expect(session.sent.map(({ method }) => method)).toContain('notifications/cancelled');
    });

    test('server-filesystem', async () => {
      await compare(folder, sdk, () => {
        const root = freshFolder();
        return { server: node(dist('server-filesystem'), [root]), steps: filesystem(root) };
      });
    });

    test('server-memory', async () => {
      await compare(folder, sdk, () => {
        const file = join(folder, 'memory.jsonl');
        rmSync(file, { force: true });
        return { server: node(dist('server-memory'), [], { MEMORY_FILE_PATH: file }), steps: MEMORY };
      });
    });
  },
);

describe('revision 2026-07-28 over stdio', () => {
  test('is negotiated, asked for input, and served the same', async () => {
    const session = await compare(folder, 'v2 auto', () => ({
      server: node(resolve('test/support/stateless-stdio-server.ts')),
      steps: [
        ['listTools'],
        tool('echo', { text: 'a' }),
        tool('fail'),
        tool('ask', { question: 'Your name?' }),
        tool('none'),
        ['readResource', { uri: 'note://1' }],
        ['getPrompt', { name: 'greet', arguments: { who: 'Ada' } }],
      ],
    }));
    expect(session.sent.map(({ method }) => method)).not.toContain('initialize');
    expect(session.answers.map(outcomeOf)).toContain('interim');
  });
});
