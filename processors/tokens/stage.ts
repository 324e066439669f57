import type { Content, ObservedCall } from '../../schemas/call-event.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import { live, type Stage } from '../stage.ts';
import type { TokenCounter } from './index.ts';
import { definitionsIn, readFrom, type Seen, writtenBy } from './seen.ts';

/** Bytes of JSON for each token, where only the size of a text is known: o200k_base on JSON and prose has 2.8–4.4. */
const BYTES_PER_TOKEN = 3.3;

/**
 * Counts what each call puts before its model, and what the model wrote for it: arguments are the model's output,
 * results and tool definitions its input. A trusted collector's report of usage wins. Text that was cut is counted by
 * its bytes as far as it is not here; text that was scrubbed, with stand-ins for what was taken out: both `estimated`.
 * Images and sound have tokens of their own kind, which are not counted.
 */
export function tokensStage(counter: TokenCounter): Stage {
  return {
    name: 'tokens',
    run(batch) {
      for (const { event, row, record } of live(batch)) {
        if (event.kind !== 'call') continue;
        countCall(event, row, counter);
        if (record.trusted) report(event, row);
      }
    },
  };
}

function countCall(event: ObservedCall, row: MeteredCall, counter: TokenCounter): void {
  row.tokens_arguments = side(event.method === 'tools/call', writtenBy(event), event.arguments, row, counter);
  row.tokens_result = side(event.method === 'tools/call', readFrom(event), event.result, row, counter);
  row.tokens_definitions = side(
    event.method === 'tools/list',
    definitionsIn(event),
    event.result,
    row,
    counter,
  );
}

/** Tokens of one side; the row's basis becomes the weaker of what it was and what this is. */
function side(
  counts: boolean,
  seen: Seen | undefined,
  content: Content,
  row: MeteredCall,
  counter: TokenCounter,
): number {
  if (seen !== undefined) {
    const counted = counter.count(seen.text, row.model);
    weaken(row, seen.exact ? counted.basis : 'estimated', counted.tokenizer);
    return Math.round(counted.tokens * seen.scale);
  }
  if (!counts || content.state === 'none') return 0;
  // Left out or withheld: the size is all that is known.
  weaken(row, 'estimated', 'estimate:bytes');
  return Math.round(Math.max(0, content.bytes - (content.media?.bytes ?? 0)) / BYTES_PER_TOKEN);
}

function weaken(row: MeteredCall, basis: 'metered' | 'estimated', tokenizer: string): void {
  if (row.tokens_basis !== 'estimated') row.tokens_basis = basis;
  if (row.tokenizer === '' || row.tokenizer === 'estimate:bytes') row.tokenizer = tokenizer;
}

/** Reported usage of the call: what the model wrote is its arguments; what it read, fresh or cached, its result or definitions. */
function report({ usage, method }: ObservedCall, row: MeteredCall): void {
  if (usage === undefined) return;
  const output = (usage.output ?? 0) + (usage.reasoning ?? 0);
  const input = (usage.input ?? 0) + (usage.cache_read ?? 0) + (usage.cache_write ?? 0);
  row.tokens_arguments = output;
  row.tokens_result = method === 'tools/list' ? 0 : input;
  row.tokens_definitions = method === 'tools/list' ? input : 0;
  row.tokens_basis = 'reported';
  row.tokenizer = '';
}
