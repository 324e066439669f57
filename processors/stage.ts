import type { Log } from '../core/log.ts';
import type { CallEvent } from '../schemas/call-event.ts';
import type { MeteredCall } from '../schemas/metered-call.ts';
import type { RawRecord } from '../schemas/record.ts';

/** Why an event goes to the dead-letter topic. Stable code, what and where, what to do; never a payload. */
export interface Dead {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/**
 * One raw record on its way. A stage may set `dead` (later stages then skip it) and write to `row`, which begins as
 * `rowOf(event)` (`processors/row.ts`); it changes nothing else.
 */
export interface Item {
  readonly record: RawRecord;
  readonly event: CallEvent;
  readonly rawOffset: bigint;
  /** When the log took the raw record, Unix ms: a stage's only "now". */
  readonly appendedAtMs: number;
  readonly row: MeteredCall;
  dead?: Dead;
}

export type Batch = readonly Item[];

/** What stages may use beside their batch. No clock, no network, no random. */
export interface StageContext {
  readonly log: Log;
}

/**
 * A step of processing: batch in, the same batch out, rows enriched. Pure but for the state that its factory holds
 * (a directory, a catalogue, a tokenizer's cache). One bad event marks itself dead; a throw fails the batch, which is
 * then tried again.
 */
export interface Stage {
  readonly name: string;
  run(batch: Batch, context: StageContext): void | Promise<void>;
}

/** Live items of a batch. */
export function* live(batch: Batch): Generator<Item> {
  for (const item of batch) if (item.dead === undefined) yield item;
}
