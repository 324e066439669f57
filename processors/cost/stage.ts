import { formatUsd } from '../../core/money.ts';
import type { Ref } from '../reload.ts';
import { live, type Stage } from '../stage.ts';
import { costOf, summed } from './call-cost.ts';
import type { Catalog } from './index.ts';

/**
 * Prices each call: `cost_lines`, `cost_usd` (their exact sum) and `cost_basis`. An adjustment brings its lines with
 * it. A batch is priced with one catalogue, whatever is reloaded meanwhile.
 */
export function costStage(catalog: Ref<Catalog>): Stage {
  return {
    name: 'cost',
    run(batch) {
      const prices = catalog.current();
      for (const { row, event } of live(batch)) {
        const cost = event.kind === 'call' ? costOf(prices, row, event) : summed(event.cost_lines);
        row.cost_lines = cost.lines;
        row.cost_usd = formatUsd(cost.amount);
        row.cost_basis = cost.basis;
      }
    },
  };
}
