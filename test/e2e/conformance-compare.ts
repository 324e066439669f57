import { expect } from 'vitest';
import {
  comparable,
  play,
  type Sdk,
  type ServerCommand,
  type Session,
  type Step,
  wrapped,
} from './conformance-session.ts';

/** What a record should say of a request that got this answer. */
export function outcomeOf(answer: unknown): string {
  const { result } = answer as { result?: { isError?: boolean; resultType?: string } };
  if (result === undefined) return 'protocol_error';
  if (result.resultType === 'input_required') return 'interim';
  return result.isError === true ? 'tool_error' : 'ok';
}

/**
 * Plays the same session with a server and with the server behind the wrapper, and holds them equal, message for
 * message; then holds the records equal to what went over the wire. `make` gives the same start each time.
 */
export async function compare(
  folder: string,
  sdk: Sdk,
  make: () => { server: ServerCommand; steps: readonly Step[] },
): Promise<Session> {
  const plain = make();
  const direct = await play(sdk, plain.server, plain.steps);
  const again = make();
  const behind = wrapped(again.server, folder);
  const through = await play(sdk, behind.server, again.steps);

  expect(through.results.length).toBeGreaterThan(0);
  expect(comparable(through)).toEqual(comparable(direct));

  const requests = through.sent.filter(({ id, method }) => id !== undefined && method !== undefined);
  // In `auto`, the SDK asks a second process of the same server first, and not through our transport.
  const calls = behind.calls().filter(({ method }) => sdk !== 'v2 auto' || method !== 'server/discover');
  expect(calls.map((call) => `${call.method} ${call.request_id?.value}`).sort()).toEqual(
    requests.map(({ id, method }) => `${method} ${id}`).sort(),
  );
  // Some servers answer a cancelled request all the same.
  const cancelled = through.sent
    .filter(({ method }) => method === 'notifications/cancelled')
    .map(({ params }) => String((params as { requestId: unknown }).requestId));
  for (const call of calls) {
    const id = call.request_id?.value as string;
    const answer = through.answers.find((message) => String(message.id) === id);
    const expected = cancelled.includes(id) ? 'cancelled' : outcomeOf(answer);
    expect(call.outcome, `${call.method} ${call.tool ?? ''} ${id}`).toBe(expected);
    expect(call.server.version).toBeDefined();
  }
  return through;
}
