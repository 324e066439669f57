import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { deriveCallId } from '../../../collectors/rpc/call-id.ts';
import { RpcTracker } from '../../../collectors/rpc/tracker.ts';
import {
  brokenScrubber,
  client,
  eventOf,
  KeptOutbox,
  server,
  testCapture,
  trackerOptions,
} from './support.ts';

let outbox: KeptOutbox;
let tracker: RpcTracker;

beforeEach(() => {
  outbox = new KeptOutbox();
  tracker = new RpcTracker(trackerOptions(outbox));
});
afterEach(() => {
  vi.useRealTimers();
});

const call = (id: unknown, args = '{}', name = 'echo') =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"tools/call","params":{"name":"${name}","arguments":${args}}}`;
const ok = (id: unknown) => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[]}}`;
const outcomes = () => outbox.events().map((event) => [event.request_id?.value, event.outcome]);

describe('pairing', () => {
  test('ids pair by value and type: 0, 1, "1", "" and "0" are five ids', () => {
    for (const id of [0, 1, '1', '', '0']) client(tracker, call(id));
    expect(tracker.open).toBe(5);
    for (const id of ['0', '1', 1, '', 0]) server(tracker, ok(id));
    expect(outbox.events().map((event) => event.request_id)).toEqual([
      { type: 'string', value: '0' },
      { type: 'string', value: '1' },
      { type: 'number', value: '1' },
      { type: 'string', value: '' },
      { type: 'number', value: '0' },
    ]);
    expect(tracker.open).toBe(0);
  });

  test('an id used again after its answer is another call', () => {
    client(tracker, call(1, '{"n":1}'));
    server(tracker, ok(1));
    client(tracker, call(1, '{"n":2}'));
    server(tracker, ok(1));
    expect(outbox.events().map((event) => event.arguments.text)).toEqual(['{"n":1}', '{"n":2}']);
    expect(new Set(outbox.events().map((event) => event.event_id)).size).toBe(2);
  });

  test('an id used again while open pairs in the order of asking', () => {
    for (const n of [1, 2, 3]) client(tracker, call(7, `{"n":${n}}`));
    server(tracker, ok(7));
    server(tracker, '{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"second"}}');
    tracker.close();
    expect(outbox.events().map((event) => [event.arguments.text, event.outcome])).toEqual([
      ['{"n":1}', 'ok'],
      ['{"n":2}', 'protocol_error'],
      ['{"n":3}', 'disconnected'],
    ]);
  });

  test('a batch: every request of it, answered by a batch in another order', () => {
    client(
      tracker,
      `[${call(1, '{"n":1}')},{"jsonrpc":"2.0","method":"notifications/x"},${call('a', '{"n":1.0}')}]`,
    );
    server(tracker, `[${ok('a')},${ok(1)}]`);
    expect(
      outbox.events().map((event) => [event.request_id?.value, event.arguments.text, event.outcome]),
    ).toEqual([
      ['a', '{"n":1.0}', 'ok'],
      ['1', '{"n":1}', 'ok'],
    ]);
  });

  test('requests of the server have ids of their own', () => {
    client(tracker, call(1));
    server(tracker, '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}');
    client(tracker, '{"jsonrpc":"2.0","id":1,"result":{"role":"assistant"}}');
    expect(outbox.ended).toHaveLength(0);
    server(tracker, ok(1));
    expect(outcomes()).toEqual([['1', 'ok']]);
    server(tracker, '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}');
    expect(tracker.unmatched).toBe(0);
  });

  test('answers that nobody waits for are counted', () => {
    server(tracker, ok(99));
    expect(tracker.unmatched).toBe(1);
    expect(outbox.ended).toHaveLength(0);
  });
});

describe('outcomes', () => {
  test.each([
    [
      '{"result":{"content":[{"type":"text","text":"no secret-word"}],"isError":true}}',
      'tool_error',
      { text: 'no <secret:abc>' },
    ],
    [
      '{"error":{"code":-32602,"message":"bad secret-word"}}',
      'protocol_error',
      { code: '-32602', text: 'bad <secret:abc>' },
    ],
    ['{"error":"text"}', 'protocol_error', undefined],
    ['{"result":{"resultType":"input_required","inputRequests":{}}}', 'interim', undefined],
    ['{"result":{"task":{"taskId":"t1","status":"working"}}}', 'interim', undefined],
    ['{"result":{}}', 'ok', undefined],
    ['{}', 'malformed', { text: 'the answer has neither result nor error' }],
    ['{"result":7}', 'malformed', { text: 'the answer has neither result nor error' }],
  ])('%s is %s', (answer, outcome, error) => {
    client(tracker, call(1));
    server(tracker, `{"jsonrpc":"2.0","id":1,${answer.slice(1)}`.replace(',}', '}'));
    const [event] = outbox.events();
    expect(event?.outcome).toBe(outcome);
    expect(event?.error).toEqual(error);
  });

  test('cancelled: at once, and a late answer is noted and changes nothing', () => {
    vi.useFakeTimers();
    client(tracker, call(1));
    client(
      tracker,
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"enough"}}',
    );
    expect(tracker.open).toBe(0);
    // Not ended yet for the outbox, but a flush would journal it as what it is.
    expect(eventOf([...outbox.open][0]!).outcome).toBe('cancelled');
    server(tracker, ok(1));
    expect(outbox.events()).toMatchObject([
      { outcome: 'cancelled', late_answer: true, error: { text: 'enough' }, result: { state: 'none' } },
    ]);
  });

  test('cancelled without a late answer closes its record after a second', () => {
    vi.useFakeTimers();
    client(tracker, call(1));
    client(tracker, '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}');
    expect(outbox.ended).toHaveLength(0);
    vi.advanceTimersByTime(2_000);
    expect(outbox.events()).toMatchObject([{ outcome: 'cancelled' }]);
    expect(outbox.events()[0]).not.toHaveProperty('late_answer');
  });

  test('cancelling what is unknown, or "1" for 1, cancels nothing', () => {
    client(tracker, call(1));
    client(tracker, '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}');
    client(tracker, '{"jsonrpc":"2.0","method":"notifications/cancelled"}');
    expect(tracker.open).toBe(1);
  });

  test("a client's own timeout is a timeout for it and a cancellation for the server", () => {
    const line =
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"McpError: MCP error -32001: Request timed out"}}';
    const asClient = new RpcTracker(trackerOptions(outbox, { vantage: 'client' }));
    for (const one of [tracker, asClient]) {
      client(one, call(1));
      client(one, line);
      one.close();
    }
    expect(outbox.events().map((event) => event.outcome)).toEqual(['cancelled', 'timeout']);
  });

  test('closing: disconnected; on HTTP of 2026-07-28 cancelled; and as the caller says', () => {
    const http = new RpcTracker(trackerOptions(outbox, { transport: 'http' }));
    const modern =
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}';
    for (const one of [tracker, http]) client(one, modern);
    tracker.close();
    http.close();
    client(http, call(2));
    http.close('lost');
    expect(outbox.events().map((event) => event.outcome)).toEqual(['disconnected', 'cancelled', 'lost']);
    tracker.close();
    expect(outbox.ended).toHaveLength(3);
  });

  test('a call that is open reads as lost, and keeps its ids when it ends', () => {
    const open = client(tracker, call(1, '{"n":1}'))!;
    const journalled = eventOf(open);
    expect(journalled.outcome).toBe('lost');
    expect(journalled).not.toHaveProperty('error');
    server(tracker, ok(1));
    const [ended] = outbox.events();
    expect(ended).toMatchObject({
      event_id: journalled.event_id,
      call_id: journalled.call_id,
      trace: journalled.trace,
      arguments: journalled.arguments,
      request_id: journalled.request_id,
      outcome: 'ok',
    });
  });

  test('finish: a gateway refuses; the answer after that is late', () => {
    const refused = client(tracker, call(1))!;
    tracker.finish(refused, { outcome: 'rate_limited', code: '429' });
    tracker.finish(refused, { outcome: 'denied' });
    server(tracker, ok(1));
    expect(outbox.events()).toMatchObject([
      { outcome: 'rate_limited', error: { code: '429' }, late_answer: true },
    ]);
  });
});

describe('malformed', () => {
  test.each([
    '[]',
    '7',
    '"text"',
    'null',
    '{}',
    '{"jsonrpc":"2.0","id":1}',
    '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    '{"jsonrpc":"2.0","id":{},"method":"ping"}',
  ])('%s', (line) => {
    client(tracker, line);
    const [event] = outbox.events();
    expect(event?.outcome).toBe('malformed');
    expect(event).not.toHaveProperty('request_id');
    expect(outbox.open.size).toBe(0);
  });

  test('text that is no JSON is recorded with its text', () => {
    tracker.malformed('{"jsonrpc":', 'not JSON');
    expect(outbox.events()).toMatchObject([
      {
        method: 'unknown',
        outcome: 'malformed',
        error: { text: 'not JSON' },
        arguments: { text: '{"jsonrpc":' },
      },
    ]);
  });

  test('a request without "jsonrpc" is malformed unless a server takes it all the same', () => {
    for (const id of [1, 2, 3]) client(tracker, `{"id":${id},"method":"ping"}`);
    server(tracker, ok(1));
    server(tracker, '{"jsonrpc":"2.0","id":2,"error":{"code":-32600,"message":"Invalid Request"}}');
    tracker.close();
    expect(outcomes()).toEqual([
      ['1', 'ok'],
      ['2', 'malformed'],
      ['3', 'malformed'],
    ]);
  });
});

describe('the text is the message’s own', () => {
  test('numbers keep their digits, ids too', () => {
    const args = '{"id": 9007199254740993, "price":1.0}';
    client(
      tracker,
      `{"jsonrpc":"2.0","id":12345678901234567890,"method":"tools/call","params":{"name":"x","arguments":${args}}}`,
    );
    server(tracker, '{"jsonrpc":"2.0","id":12345678901234567890,"result":{"n":1e400,"isError":false}}');
    expect(outbox.events()[0]).toMatchObject({
      request_id: { type: 'number', value: '12345678901234567890' },
      arguments: { state: 'captured', source: 'wire', text: args, bytes: args.length },
      result: { state: 'captured', source: 'wire', text: '{"n":1e400,"isError":false}' },
    });
  });

  test('without wire text it is another serialisation, and says so', () => {
    tracker.fromClient({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'x', arguments: { a: 1 } },
    });
    tracker.fromServer({ jsonrpc: '2.0', id: 1, result: { b: 2 } });
    expect(outbox.events()[0]).toMatchObject({
      arguments: { source: 'reserialized', text: '{"a":1}' },
      result: { source: 'reserialized', text: '{"b":2}' },
    });
  });

  test('what the handler does to its arguments afterwards is not in the record', () => {
    const params = { name: 'x', arguments: { list: [3, 1, 2], nested: { deep: 'as sent' } } };
    tracker.fromClient({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    params.arguments.list.sort();
    params.arguments.nested.deep = 'changed';
    const result = { content: [{ type: 'text', text: 'as answered' }] };
    tracker.fromServer({ jsonrpc: '2.0', id: 1, result });
    result.content[0]!.text = 'changed';
    expect(outbox.events()[0]).toMatchObject({
      arguments: { text: '{"list":[3,1,2],"nested":{"deep":"as sent"}}' },
      result: { text: '{"content":[{"type":"text","text":"as answered"}]}' },
    });
  });

  test('the hash is the same by either way in', () => {
    const other = new RpcTracker(trackerOptions(outbox));
    client(tracker, call(1, '{ "b": 1.0, "a": "x" }'));
    server(tracker, ok(1));
    other.fromClient({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'echo', arguments: { a: 'x', b: 1 } },
    });
    other.fromServer({ jsonrpc: '2.0', id: 1, result: { content: [] } });
    const [wire, parsed] = outbox.events();
    expect(wire?.arguments.hash).toEqual(parsed?.arguments.hash);
    expect(wire?.result.hash).toEqual(parsed?.result.hash);
  });

  test('a scrubber that fails withholds', () => {
    const broken = new RpcTracker(
      trackerOptions(outbox, { capture: { ...testCapture, scrubber: brokenScrubber } }),
    );
    client(broken, call(1, '{"a":"private"}'));
    server(broken, '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"private"}}');
    client(broken, '{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"file:///private"}}');
    server(broken, ok(2));
    expect(JSON.stringify(outbox.events())).not.toContain('private');
    expect(outbox.events()[0]).toMatchObject({
      arguments: { state: 'withheld', bytes: 15 },
      error: { code: '1' },
    });
  });
});

describe('who and what', () => {
  test('2025: initialize tells client, server and version', () => {
    client(
      tracker,
      '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"agent","version":"2"}}}',
    );
    server(
      tracker,
      '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"srv","version":"3"}}}',
    );
    client(tracker, call(1));
    server(tracker, ok(1));
    for (const event of outbox.events())
      expect(event).toMatchObject({
        client: { name: 'agent', version: '2' },
        server: { name: 'srv', version: '3' },
        protocol_version: '2025-06-18',
        caller: { id: 'agent', source: 'declared', verified: false },
      });
  });

  test('2026-07-28: each request tells its own', () => {
    const meta = (name: string) =>
      `{"io.modelcontextprotocol/clientInfo":{"name":"${name}","version":"1"},"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`;
    for (const name of ['a', 'b']) {
      client(
        tracker,
        `{"jsonrpc":"2.0","id":"${name}","method":"tools/list","params":{"_meta":${meta(name)}}}`,
      );
      server(
        tracker,
        `{"jsonrpc":"2.0","id":"${name}","result":{"tools":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"srv","version":"9"}}}}`,
      );
    }
    expect(outbox.events()).toMatchObject(
      ['a', 'b'].map((name) => ({
        client: { name },
        protocol_version: '2026-07-28',
        server: { name: 'srv', version: '9' },
      })),
    );
  });

  test('tool, prompt and resource by method', () => {
    client(
      tracker,
      '{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"greet","arguments":{"a":"b"}}}',
    );
    client(
      tracker,
      '{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"file:///secret-word"}}',
    );
    client(tracker, call(3));
    tracker.close();
    expect(outbox.events()).toMatchObject([
      { prompt: 'greet', arguments: { text: '{"a":"b"}' } },
      { resource_uri: 'file:///<secret:abc>' },
      { tool: 'echo' },
    ]);
  });

  test('tags: the call’s win over the connection’s; past 64 none', () => {
    const tagged = new RpcTracker(trackerOptions(outbox, { tags: { team: 'x', constructor: 'ok' } }));
    const open = client(tagged, call(1))!;
    open.tag('team', 'y');
    open.tag('model', 'gpt-4o');
    for (let i = 0; i < 100; i++) open.tag(`k${i}`, '\0'.repeat(2000));
    server(tagged, ok(1));
    const [event] = outbox.events();
    expect(event?.tags).toMatchObject({ team: 'y' });
    expect(Object.keys(event!.tags)).toHaveLength(64);
    expect(event?.model).toEqual({ name: 'gpt-4o', source: 'tag' });
  });

  test('trace context is taken over where it is valid, else started', () => {
    const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    for (const parent of [given, '00-0-0-0', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`])
      client(
        tracker,
        `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"traceparent":"${parent}","tracestate":"a=b"}}}`,
      );
    tracker.close();
    const traces = outbox.events().map((event) => event.trace);
    expect(traces[0]).toEqual({ traceparent: given, tracestate: 'a=b' });
    expect(traces[1]?.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(traces[1]?.traceparent).not.toBe(traces[2]?.traceparent);
  });
});

describe('call ids', () => {
  const callKey = { kid: 'k', secret: Buffer.alloc(32, 3) };

  test('one that travels with the request is taken over, and out of it', () => {
    const taking = new RpcTracker(trackerOptions(outbox, { takeCallId: true }));
    const params = { name: 'x', _meta: { 'io.toolmeter/call': 'call-12345', progressToken: 1 } };
    taking.fromClient({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    expect(params._meta).toEqual({ progressToken: 1 });
    const only = { name: 'x', _meta: { 'io.toolmeter/call': 'no id at all, but text' } };
    taking.fromClient({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: only });
    expect(only).toEqual({ name: 'x' });
    taking.close();
    const [first, second] = outbox.events();
    expect(first?.call_id).toBe('call-12345');
    expect(second?.call_id).not.toContain(' ');
  });

  test('a wrapper and a meter inside derive the same one', () => {
    const options = { callKey, nonce: 'n1' };
    const wrap = new RpcTracker(trackerOptions(outbox, options));
    const inside = new RpcTracker(trackerOptions(outbox, { ...options, nested: true }));
    const line =
      '{"jsonrpc":"2.0","id":"1","method":"tools/call","params":{ "name":"x","arguments":{"b":1.0,"a":2}}}';
    client(wrap, line);
    inside.fromClient(JSON.parse(line));
    inside.fromClient({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: JSON.parse(line).params });
    wrap.close();
    inside.close();
    const [outer, inner, otherType] = outbox.events();
    expect(inner?.call_id).toBe(outer?.call_id);
    expect(inner?.nested).toBe(true);
    expect(outer).not.toHaveProperty('nested');
    expect(otherType?.call_id).not.toBe(outer?.call_id);
    expect(outer?.call_id).toBe(
      deriveCallId(callKey, 'n1', '1', 'tools/call', { name: 'x', arguments: { a: 2, b: 1 } }),
    );
  });
});

describe('bounds', () => {
  test('too many open: the oldest is given up as lost', () => {
    const bounded = new RpcTracker(trackerOptions(outbox, { maxOpen: 2 }));
    for (const id of [1, 2, 3]) client(bounded, call(id));
    expect(bounded.open).toBe(2);
    expect(outcomes()).toEqual([['1', 'lost']]);
  });

  test('too much text held: the size stays, the content is omitted, and all is given back at the end', () => {
    const args = `{"text":"${'x'.repeat(1000)}"}`;
    const bounded = new RpcTracker(trackerOptions(outbox, { maxHeldText: 1500 }));
    client(bounded, call(1, args));
    client(bounded, call(2, args));
    server(bounded, ok(2));
    server(bounded, ok(1));
    client(bounded, call(3, args));
    server(bounded, ok(3));
    expect(
      outbox
        .events()
        .map((event) => [event.request_id?.value, event.tool, event.arguments.state, event.arguments.bytes]),
    ).toEqual([
      ['2', 'echo', 'omitted', args.length],
      ['1', 'echo', 'captured', args.length],
      ['3', 'echo', 'captured', args.length],
    ]);
  });
});
