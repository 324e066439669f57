import { uuidv7 } from '../core/ids.ts';
import type { ObservedCall } from '../schemas/call-event.ts';
import { type RawRecord, toHeaders } from '../schemas/record.ts';

const WORDS =
  'the order of a customer was shipped on time and the ticket is now open again because an invoice could not be found in archive region storage query result latency index document page total value status created updated name label city street delivery contract'.split(
    ' ',
  );
const MODELS = ['gpt-4.1', 'gpt-4o', 'claude-sonnet-4-5', 'gemini-2.5-flash', 'o3'];
const TOOLS = ['search', 'read_file', 'query', 'create_ticket', 'get_order', 'list_pages'];

/** A small deterministic generator (mulberry32), so that runs compare. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Calls of mixed tools whose arguments and result are about 1 KB of JSON together; one in fifty names a person. */
export function* mixedCalls(count: number, seed = 1, startMs = Date.now() - 60_000): Generator<ObservedCall> {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const words = (many: number): string => Array.from({ length: many }, () => pick(WORDS)).join(' ');
  for (let i = 0; i < count; i++) {
    const mail = next() < 0.02 ? `, contact ${pick(WORDS)}.${pick(WORDS)}@example.com` : '';
    const argumentsText = JSON.stringify({
      query: words(6),
      limit: Math.floor(next() * 50),
      filter: { status: pick(WORDS), region: pick(WORDS) },
    });
    const rows = Array.from({ length: 4 }, (_, row) => ({
      id: i * 4 + row,
      title: words(4),
      score: Math.round(next() * 1e6) / 1e6,
      updated: new Date(startMs + i).toISOString(),
      note: words(8) + mail,
    }));
    const resultText = JSON.stringify({
      content: [{ type: 'text', text: JSON.stringify(rows) }],
      isError: false,
    });
    const id = uuidv7();
    yield {
      schema_version: 1,
      kind: 'call',
      event_id: id,
      call_id: id,
      collector: { kind: 'sdk', version: '0.1.0' },
      durable: true,
      tags: { app: `agent-${i % 40}`, model: pick(MODELS) },
      vantage: 'server',
      method: 'tools/call',
      tool: pick(TOOLS),
      server: { name: `server-${i % 12}`, version: '1.0.0' },
      client: { name: 'agent', version: '1.0.0' },
      protocol_version: '2025-11-25',
      transport: 'stdio',
      request_id: { type: 'number', value: String(i) },
      caller: { id: `user-${i % 200}`, source: 'os_user', verified: true },
      started_at: new Date(startMs + i / 50).toISOString(),
      duration_us: Math.floor(200 + next() ** 4 * 400_000),
      outcome: next() < 0.02 ? 'tool_error' : 'ok',
      arguments: { state: 'captured', bytes: argumentsText.length, text: argumentsText, source: 'wire' },
      result: { state: 'captured', bytes: resultText.length, text: resultText, source: 'wire' },
    };
  }
}

/** Those calls as raw records of one lane, its `open` first: headers and value as they stand in the log. */
export function* laneRecords(
  calls: Iterable<ObservedCall>,
  lane = 0,
  instance = uuidv7(),
): Generator<{ headers: Record<string, string>; value: string }> {
  const at = { collector: 'bench', instance, epoch: uuidv7(), lane };
  const record = (raw: RawRecord) => ({ headers: toHeaders(raw), value: raw.value as string });
  yield record({ kind: 'open', at, trusted: true, value: '' });
  let seq = 0;
  for (const call of calls)
    yield record({ kind: 'event', at: { ...at, seq: ++seq }, trusted: true, value: JSON.stringify(call) });
  yield record({ kind: 'end', at, last: seq, trusted: true, value: '' });
}
