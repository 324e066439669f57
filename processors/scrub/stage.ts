import type { Content, ObservedCall } from '../../schemas/call-event.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import { type Item, live, type Stage } from '../stage.ts';
import type { Scrubber, ScrubResult } from './index.ts';

/**
 * Scrubs what a row holds as text. Arguments and results: unless a trusted collector scrubbed them with these very
 * rules. Error text, tag values, resource URI and the reason of an adjustment: always, as no collector vouches for
 * them; scrubbing twice changes nothing. Left as they are: `caller`, `acting_as` and `ip`, which say who called:
 * attribution and audit join by them. A text that can't be scrubbed is withheld; the row goes on.
 */
export function scrubStage(scrubber: Scrubber): Stage {
  return {
    name: 'scrub',
    run(batch, context) {
      let failed = 0;
      for (const item of live(batch)) failed += scrubRow(item, scrubber);
      if (failed > 0)
        context.log.warn({ code: 'TM_SCRUB_FAILED', failed }, 'Texts were withheld: scrubbing failed');
    },
  };
}

/** Scrubs one row in place and returns how many of its texts were withheld. */
function scrubRow({ event, row, record }: Item, scrubber: Scrubber): number {
  let failed = 0;
  if (event.kind === 'call') {
    if (isDue(event.arguments, record.trusted, scrubber))
      failed += scrubSide(row, 'arguments', event, scrubber);
    if (isDue(event.result, record.trusted, scrubber)) failed += scrubSide(row, 'result', event, scrubber);
  }
  const free = (text: string): string => {
    if (text === '') return text;
    try {
      const scrubbed = scrubber.plain(text);
      note(row, scrubbed, scrubber);
      return scrubbed.text;
    } catch {
      failed++;
      return '';
    }
  };
  row.error_text = free(row.error_text);
  row.resource_uri = free(row.resource_uri);
  row.reason = free(row.reason);
  row.tags = Object.fromEntries(Object.entries(row.tags).map(([name, value]) => [name, free(value)]));
  return failed;
}

/** Whether a captured text must be scrubbed here: a claim to have done it counts only from a trusted collector. */
function isDue(content: Content, trusted: boolean, scrubber: Scrubber): boolean {
  if (content.text === undefined) return false;
  return !trusted || content.scrub?.version !== scrubber.version;
}

function scrubSide(
  row: MeteredCall,
  side: 'arguments' | 'result',
  event: ObservedCall,
  scrubber: Scrubber,
): number {
  try {
    const scrubbed = scrubber.json(event[side].text ?? '');
    note(row, scrubbed, scrubber);
    row.media_items += scrubbed.media.items;
    row.media_bytes += scrubbed.media.bytes;
    if (side === 'arguments') row.arguments_text = scrubbed.text;
    else row.result_text = scrubbed.text;
    return 0;
  } catch {
    if (side === 'arguments') {
      row.arguments_text = '';
      row.arguments_state = 'withheld';
    } else {
      row.result_text = '';
      row.result_state = 'withheld';
    }
    return 1;
  }
}

/** Counts findings; the row names the key of the pseudonyms that were made last. */
function note(row: MeteredCall, { findings }: ScrubResult, scrubber: Scrubber): void {
  for (const { type } of findings) row.pii[type] = (row.pii[type] ?? 0) + 1;
  if (findings.length > 0) row.pseudonym_kid = scrubber.kid;
}
