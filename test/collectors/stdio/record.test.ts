import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { deriveCallId } from '../../../collectors/rpc/call-id.ts';
import { openHome } from '../../../core/home.ts';
import { type ObservedCall, ObservedCallSchema } from '../../../schemas/call-event.ts';
import { type Running, scratch, start } from './harness.ts';

const folder = scratch();
const started: Running[] = [];
afterAll(() => {
  for (const { process } of started) process.kill('SIGKILL');
  folder.remove();
});

const WRAP_TO_FILE = resolve('test/collectors/stdio/wrap-to-file.ts');

/**
 * Answers by the name of the tool. It writes its JSON by hand, so that a test sees its digits again; a raw id goes
 * back as it came.
 */
const MINI_SERVER = folder.script(String.raw`
  process.stdout.write('mini server, version 3\n');
  let text = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (chunk) => {
    text += chunk;
    const lines = text.split(/\r\n|\n|\r/);
    text = lines.pop();
    for (const line of lines) if (line !== '') take(line);
  });
  process.stdin.on('end', () => process.exit(0));
  function take(line) {
    let message;
    try { message = JSON.parse(line); } catch { return say('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}'); }
    if (Array.isArray(message)) return say('[' + message.map((m) => reply(m, JSON.stringify(m.id))).join(' , ') + ']');
    const answer = reply(message, /"id":("[^"]*"|[\d.e+-]+)/.exec(line)?.[1]);
    if (answer !== undefined) say(answer);
  }
  function say(line) { process.stdout.write(line + '\n'); }
  function reply({ method, params, id }, rawId) {
    if (id === undefined) return undefined;
    const ok = (result) => '{"result":' + result + ',"jsonrpc":"2.0","id":' + rawId + '}';
    if (method === 'initialize') return ok('{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"mini","version":"3"}}');
    switch (params?.name) {
      case 'echo': return ok('{"content":[], "n":12345678901234567890,"f":1.0}');
      case 'fail': return ok('{"isError":true,"content":[{"type":"text","text":"no such city"}]}');
      case 'big': return ok('{"content":[{"type":"text","text":"' + 'x'.repeat(params.arguments.size) + '"}],"isError":true}');
      case 'nonce': return ok(JSON.stringify({ nonce: process.env.TOOLMETER_WRAP_NONCE }));
      case 'slow': setTimeout(() => say(ok('{"content":[]}')), 300); return undefined;
      case 'hang': return undefined;
      case 'die': process.stdout.write('dying\n', () => process.kill(process.pid, 'SIGKILL')); return undefined;
      default: return '{"jsonrpc":"2.0","id":' + rawId + ',"error":{"code":-32602,"message":"Unknown tool"}}';
    }
  }
`);

let files = 0;

interface Session extends Running {
  /** Writes lines with an ending. */
  say(...lines: (string | object)[]): void;
  /** Ends the session unless it has ended, and gives what was recorded, in order of the calls' beginning. */
  calls(): Promise<ObservedCall[]>;
}

function session(options: string[] = [], { ending = '\n', server = MINI_SERVER } = {}): Session {
  const file = join(folder.path, `calls-${++files}.ndjson`);
  const env = { ...process.env, TOOLMETER_HOME: folder.home, RECORD_FILE: file };
  const running = start(process.execPath, [WRAP_TO_FILE, ...options, '--', process.execPath, server], {
    env,
  });
  started.push(running);
  return {
    ...running,
    say(...lines) {
      for (const line of lines) {
        running.process.stdin?.write((typeof line === 'string' ? line : JSON.stringify(line)) + ending);
      }
    },
    async calls() {
      running.process.stdin?.end();
      await running.exit;
      expect(running.err()).not.toContain('not recorded');
      return readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => ObservedCallSchema.parse(JSON.parse(line)))
        .sort((a, b) => (a.started_at < b.started_at ? -1 : 1));
    },
  };
}

const call = (id: unknown, name: string, args: unknown = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});
const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'agent', version: '9' } },
};
const by = (calls: ObservedCall[], id: string): ObservedCall => {
  const found = calls.filter((item) => item.request_id?.value === id);
  expect(found, `calls with id ${id}`).toHaveLength(1);
  return found[0] as ObservedCall;
};

describe.each([
  ['LF', '\n'],
  ['CR LF', '\r\n'],
  ['CR', '\r'],
])('with %s', (_name, ending) => {
  test('each request is recorded with its outcome', async () => {
    const run = session([], { ending });
    run.say(initialize, { jsonrpc: '2.0', method: 'notifications/initialized' });
    run.say(call(1, 'echo', { text: 'hé😀' }), call('1', 'fail'), call(2, 'none'), '{"broken":');
    await run.until((out) => out.includes('Parse error'));
    const calls = await run.calls();
    expect(calls.map(({ outcome }) => outcome).sort()).toEqual([
      'malformed',
      'ok',
      'ok',
      'protocol_error',
      'tool_error',
    ]);
    expect(by(calls, '0')).toMatchObject({ method: 'initialize', outcome: 'ok' });
    const ofType = (type: string) =>
      calls.find(({ request_id }) => request_id?.value === '1' && request_id.type === type);
    const [number, text] = [ofType('number'), ofType('string')];
    expect(number).toMatchObject({ request_id: { type: 'number' }, tool: 'echo', outcome: 'ok' });
    expect(number?.arguments).toMatchObject({ state: 'captured', text: '{"text":"hé😀"}', source: 'wire' });
    expect(text).toMatchObject({
      request_id: { type: 'string' },
      outcome: 'tool_error',
      error: { text: 'no such city' },
    });
    expect(by(calls, '2')).toMatchObject({
      outcome: 'protocol_error',
      error: { code: '-32602', text: 'Unknown tool' },
    });
  });
});

test('what holds for all calls: caller, server, client, tags, model, version', async () => {
  const run = session(['--tag', 'model=gpt-5', '--tag', 'team=red=blue']);
  run.say(initialize, call(1, 'echo'));
  await run.until((out) => out.includes('"id":1'));
  const calls = await run.calls();
  expect(by(calls, '1')).toMatchObject({
    collector: { kind: 'stdio' },
    vantage: 'server',
    transport: 'stdio',
    caller: { id: userInfo().username, source: 'os_user', verified: true },
    server: { name: 'mini', version: '3' },
    client: { name: 'agent', version: '9' },
    protocol_version: '2025-06-18',
    tags: { model: 'gpt-5', team: 'red=blue' },
    model: { name: 'gpt-5', source: 'tag' },
  });
});

test("a given name stands, and a server that says nothing has its command's", async () => {
  const named = session(['--server', 'billing']);
  named.say(initialize);
  await named.until((out) => out.includes('"id":0'));
  expect((await named.calls())[0]?.server).toEqual({ name: 'billing', version: '3' });
  const silent = session();
  silent.say(call(1, 'echo'));
  await silent.until((out) => out.includes('"id":1'));
  expect((await silent.calls())[0]?.server).toEqual({ name: 'node' });
});

test('the record keeps the digits of the wire, also of ids', async () => {
  const run = session();
  run.say(
    '{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"echo","arguments":{"n":1.0, "m":12345678901234567890}}}',
  );
  await run.until((out) => out.includes('"jsonrpc"'));
  const [only] = await run.calls();
  expect(only?.request_id).toEqual({ type: 'number', value: '9007199254740993' });
  expect(only?.arguments.text).toBe('{"n":1.0, "m":12345678901234567890}');
  expect(only?.result.text).toBe('{"content":[], "n":12345678901234567890,"f":1.0}');
});

test('personal data is replaced before the outbox has it, and only in the record', async () => {
  const run = session();
  run.say(call(1, 'echo', { to: 'ada.lovelace@example.org' }));
  await run.until((out) => out.includes('"id":1'));
  const [only] = await run.calls();
  expect(only?.arguments.text).toMatch(/^\{"to":"<email:[^>]+>"\}$/);
  expect(only?.arguments.scrub?.findings).toEqual({ email: 1 });
});

test('each message of a batch is a call, with its own text', async () => {
  const run = session();
  run.say(`[${JSON.stringify(call(1, 'echo', { a: '[,]' }))} , ${JSON.stringify(call(2, 'fail'))}]`);
  await run.until((out) => out.includes('"id":2'));
  const calls = await run.calls();
  expect(by(calls, '1')).toMatchObject({ outcome: 'ok', arguments: { text: '{"a":"[,]"}' } });
  expect(by(calls, '2')).toMatchObject({ outcome: 'tool_error', arguments: { text: '{}' } });
});

test('a message may come in any chunks', async () => {
  const run = session();
  const bytes = Buffer.from(`${JSON.stringify(call(1, 'echo', { text: 'é😀' }))}\n`);
  for (const byte of bytes) {
    run.process.stdin?.write(Buffer.of(byte));
    await new Promise((next) => setTimeout(next, 1));
  }
  await run.until((out) => out.includes('"id":1'));
  expect((await run.calls())[0]?.arguments.text).toBe('{"text":"é😀"}');
});

test('a message over the limit passes, and is recorded with its size and outcome', async () => {
  const run = session(['--max-message-bytes', '10000']);
  const args = { size: 50_000, fill: 'y'.repeat(20_000) };
  run.say(call(1, 'big', args), call(2, 'big', { size: 20_000 }), call(3, 'big', { size: 10 }));
  await run.until((out) => out.includes('"id":3'));
  const calls = await run.calls();
  expect(run.out().length).toBeGreaterThan(70_000);
  const bytes = (size: number) =>
    JSON.stringify({ content: [{ type: 'text', text: 'x'.repeat(size) }], isError: true }).length;
  expect(by(calls, '1')).toMatchObject({
    tool: 'big',
    outcome: 'tool_error',
    arguments: { state: 'omitted', bytes: JSON.stringify(args).length },
    result: { state: 'omitted', bytes: bytes(50_000) },
  });
  expect(by(calls, '2')).toMatchObject({
    arguments: { state: 'captured' },
    result: { state: 'omitted', bytes: bytes(20_000) },
  });
  expect(by(calls, '3')).toMatchObject({ result: { state: 'captured', bytes: bytes(10) } });
});

test('a cancelled call is cancelled, and a late answer is noted', async () => {
  const run = session();
  run.say(call(1, 'slow'), {
    jsonrpc: '2.0',
    method: 'notifications/cancelled',
    params: { requestId: 1, reason: 'user' },
  });
  await run.until((out) => out.includes('"id":1'));
  expect((await run.calls())[0]).toMatchObject({
    outcome: 'cancelled',
    late_answer: true,
    error: { text: 'user' },
  });
});

test('calls that are open when the server dies are lost', async () => {
  const run = session();
  run.say(call(1, 'hang'), call(2, 'die'));
  expect(await run.exit).toBe(137);
  expect((await run.calls()).map(({ tool, outcome }) => [tool, outcome]).sort()).toEqual([
    ['die', 'lost'],
    ['hang', 'lost'],
  ]);
});

test('calls that are open when the client leaves are disconnected, those answered after it left are ok', async () => {
  const run = session([], {
    server: folder.script(`
      process.stdin.resume().on('end', () => setTimeout(() => {
        process.stdout.write('{"jsonrpc":"2.0","id":2,"result":{}}\\n', () => process.exit(0));
      }, 200));`),
  });
  run.say(call(1, 'hang'), call(2, 'slow'));
  const calls = await run.calls();
  expect(by(calls, '1').outcome).toBe('disconnected');
  expect(by(calls, '2').outcome).toBe('ok');
});

test('a call id is what a meter inside derives from the nonce', async () => {
  const run = session();
  run.say(call('n', 'nonce', { b: 1, a: [2] }));
  await run.until((out) => out.includes('nonce'));
  const nonce = /"nonce":"([^".]+)/.exec(run.out().toString())?.[1] as string;
  const [only] = await run.calls();
  const key = openHome(folder.home).keys.call;
  const params = { arguments: { a: [2], b: 1 }, name: 'nonce' };
  expect(only?.call_id).toBe(deriveCallId(key, nonce, 'n', 'tools/call', params));
});

test('time is taken when the bytes arrive, also before the meter is loaded', async () => {
  const before = Date.now();
  const run = session([], {
    // Answers after 250 ms from a process that starts at once: the meter is loaded somewhere in between.
    server: folder.script(`
      process.stdin.once('data', () => setTimeout(() => {
        process.stdout.write('{"jsonrpc":"2.0","id":1,"result":{}}\\n');
      }, 250)).on('end', () => process.exit(0));`),
  });
  const askedAt = Date.now();
  run.say(call(1, 'x'));
  await run.until((out) => out.includes('"id":1'));
  const [only] = await run.calls();
  expect(Date.parse(only!.started_at)).toBeGreaterThanOrEqual(before);
  expect(only!.duration_us).toBeGreaterThanOrEqual(249_000);
  expect(only!.duration_us).toBeLessThan((Date.now() - askedAt) * 1000);
});
