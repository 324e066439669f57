import { uuidv7 } from '../../core/ids.ts';
import type { ObservedCall } from '../../schemas/call-event.ts';

/** A valid observation of a tool call, with what a test wants different. */
export function observedCall(overrides: Partial<ObservedCall> = {}): ObservedCall {
  const id = uuidv7();
  return {
    schema_version: 1,
    kind: 'call',
    event_id: id,
    call_id: id,
    collector: { kind: 'sdk', version: '0.1.0' },
    durable: true,
    tags: {},
    vantage: 'server',
    method: 'tools/call',
    tool: 'echo',
    server: { name: 'everything', version: '1.0.0' },
    client: { name: 'agent', version: '2.0.0' },
    protocol_version: '2025-11-25',
    transport: 'stdio',
    request_id: { type: 'number', value: '1' },
    caller: { id: 'ada', source: 'os_user', verified: true },
    started_at: new Date().toISOString(),
    duration_us: 1200,
    outcome: 'ok',
    arguments: { state: 'captured', bytes: 17, text: '{"message":"hi!"}', source: 'wire' },
    result: {
      state: 'captured',
      bytes: 45,
      text: '{"content":[{"type":"text","text":"Echo: hi!"}]}',
      source: 'wire',
    },
    ...overrides,
  };
}
