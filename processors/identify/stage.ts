import type { ObservedCall } from '../../schemas/call-event.ts';
import type { Config } from '../../schemas/config.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import { type Dead, type Item, live, type Stage } from '../stage.ts';
import { type CountingPolicy, countingPolicy, counts } from './counting.ts';

/** The tag by which a client or wrapper says which model makes the calls. */
export const MODEL_TAG = 'model';

/**
 * Says of each observation who called as far as its collector may assert it, which model is known, and whether it
 * counts. What a credential that is not trusted asserts is recorded as declared; money that it would move is refused.
 */
export function identifyStage(config: Config['counting']): Stage {
  const policy = countingPolicy(config);
  return {
    name: 'identify',
    run(batch) {
      for (const item of live(batch)) {
        const dead = refuse(item);
        if (dead !== null) item.dead = dead;
        else if (item.event.kind === 'call') identify(item.row, item.event, policy);
      }
    },
  };
}

/** Money that must not reach the books: from a credential that may not say so, or less than nothing. */
function refuse({ event, record }: Item): Dead | null {
  if (event.kind === 'adjustment' && !record.trusted) {
    return {
      code: 'TM_ADJUSTMENT_UNTRUSTED',
      message: 'an adjustment came by a credential that may not report costs',
      hint: 'Enrol the collector as trusted, then replay the dead letter.',
    };
  }
  if (event.kind === 'call' && record.trusted && event.cost?.amount_usd.startsWith('-')) {
    return {
      code: 'TM_COST_NEGATIVE',
      message: 'cost.amount_usd: a call reports a cost below 0',
      hint: 'Send refunds as adjustments.',
    };
  }
  return null;
}

function identify(row: MeteredCall, event: ObservedCall, policy: CountingPolicy): void {
  if (row.caller === '') row.caller_source = 'none';
  else if (!row.trusted && row.caller_source !== 'none') row.caller_source = 'declared';
  // A name that nobody vouched for is not verified, whoever says so.
  if (!row.trusted || row.caller_source === 'declared' || row.caller_source === 'none')
    row.caller_verified = false;

  const tagged = event.tags[MODEL_TAG]?.trim() ?? '';
  if (tagged !== '' && (row.model === '' || row.model_source !== 'reported')) {
    row.model = tagged;
    row.model_source = 'tag';
  }
  if (row.model === '') row.model_source = 'none';

  row.counted = counts(
    { vantage: event.vantage, server: row.server, nested: row.nested, outcome: row.outcome },
    policy,
  );
  row.calls = row.counted ? 1 : 0;
}
