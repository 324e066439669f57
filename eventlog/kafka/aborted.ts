import type { FetchedMessage } from './fetch.ts';

/** A transaction that was aborted: its producer, and the offset of its first record. */
export interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: string;
}

/** The key of a control record is version (int16) and type (int16); type 0 is an abort marker. */
const ABORT = Buffer.from([0, 0, 0, 0]);

/**
 * The records that a read-committed reader may see: no control records, nothing of aborted transactions. An aborted
 * transaction reaches from its first offset to its producer's next abort marker. (kafkajs' own filter takes one
 * aborted transaction a record from a list that it expects in order, and lets records through where two producers'
 * transactions interleave.)
 */
export function committedOnly(
  messages: readonly FetchedMessage[],
  aborted: readonly AbortedTransaction[],
): FetchedMessage[] {
  const starts = aborted
    .map(({ producerId, firstOffset }) => ({ producerId, first: BigInt(firstOffset) }))
    .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const inAborted = new Set<string>();
  let next = 0;
  const visible: FetchedMessage[] = [];
  for (const message of messages) {
    const { producerId, inTransaction } = message.batchContext;
    for (; next < starts.length; next++) {
      const start = starts[next] as { producerId: string; first: bigint };
      if (start.first > BigInt(message.offset)) break;
      inAborted.add(start.producerId);
    }
    if (message.isControlRecord) {
      if (message.key !== null && ABORT.equals(message.key)) inAborted.delete(producerId);
    } else if (!inTransaction || !inAborted.has(producerId)) {
      visible.push(message);
    }
  }
  return visible;
}
