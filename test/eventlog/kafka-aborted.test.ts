import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AbortedTransaction, committedOnly } from '../../eventlog/kafka/aborted.ts';
import type { FetchedMessage } from '../../eventlog/kafka/fetch.ts';

const ABORT = Buffer.from([0, 0, 0, 0]);
const COMMIT = Buffer.from([0, 0, 0, 1]);

function message(
  offset: number,
  producerId: string,
  inTransaction: boolean,
  marker?: Buffer,
): FetchedMessage {
  return {
    offset: String(offset),
    timestamp: '0',
    key: marker ?? null,
    value: null,
    headers: {},
    isControlRecord: marker !== undefined,
    batchContext: { producerId, inTransaction, firstOffset: String(offset), lastOffsetDelta: 0 },
  };
}

/** What a producer does next in one partition. */
type Step = { producer: number; action: 'write' | 'commit' | 'abort' | 'plain' };

/** A partition as brokers write it, the list of aborted transactions, and what a reader should see. */
function partition(steps: readonly Step[]) {
  const messages: FetchedMessage[] = [];
  const aborted: AbortedTransaction[] = [];
  const open = new Map<number, number[]>();
  const visible: number[] = [];
  const append = (producer: number, inTransaction: boolean, marker?: Buffer): number => {
    messages.push(message(messages.length, String(producer), inTransaction, marker));
    return messages.length - 1;
  };
  const end = (producer: number, commit: boolean): void => {
    const offsets = open.get(producer);
    if (offsets === undefined) return;
    open.delete(producer);
    append(producer, true, commit ? COMMIT : ABORT);
    if (commit) visible.push(...offsets);
    // Brokers list aborted transactions in the order of their ends.
    else aborted.push({ producerId: String(producer), firstOffset: String(offsets[0]) });
  };
  for (const { producer, action } of steps) {
    if (action === 'write') open.set(producer, [...(open.get(producer) ?? []), append(producer, true)]);
    else if (action === 'plain') visible.push(append(100 + producer, false));
    else end(producer, action === 'commit');
  }
  // A read-committed fetch stops at the first open transaction: here all are ended.
  for (const producer of [...open.keys()]) end(producer, true);
  return { messages, aborted, visible: visible.sort((a, b) => a - b) };
}

const steps = fc.array(
  fc.record({
    producer: fc.nat(3),
    action: fc.constantFrom('write', 'write', 'write', 'plain', 'commit', 'abort') as fc.Arbitrary<
      Step['action']
    >,
  }),
  { maxLength: 60 },
);

describe('a read-committed reader', () => {
  test('sees what was committed, in order, however producers interleave', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { messages, aborted, visible } = partition(list);
        expect(committedOnly(messages, aborted).map(({ offset }) => Number(offset))).toEqual(visible);
      }),
    );
  });

  test('may begin in the middle of an aborted transaction', () => {
    const { messages, aborted } = partition([
      { producer: 1, action: 'write' },
      { producer: 1, action: 'write' },
      { producer: 2, action: 'write' },
      { producer: 1, action: 'abort' },
      { producer: 1, action: 'write' },
      { producer: 1, action: 'commit' },
      { producer: 2, action: 'commit' },
    ]);
    expect(committedOnly(messages.slice(1), aborted).map(({ offset }) => offset)).toEqual(['2', '4']);
  });
});
