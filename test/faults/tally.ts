import { openConfiguredStore } from '../../cli/roles/store.ts';
import { loadSettings } from '../../cli/settings.ts';
import { openHome } from '../../core/home.ts';
import { silentLog } from '../../core/log.ts';
import { formatUsd } from '../../core/money.ts';
import { costOf, readTruth } from './truth.ts';

/** What was found after the storm; a test compares, a command prints. */
export interface Tally {
  readonly intended: number;
  readonly committed: number;
  readonly rows: number;
  readonly distinct: number;
  /** Confirmed as committed, and not in the table. */
  readonly lost: number;
  /** In the table, and never intended. */
  readonly invented: number;
  readonly costUsd: string;
  readonly expectedCostUsd: string;
  readonly rollupCalls: number;
  readonly rollupCostUsd: string;
  readonly missing: number;
  readonly dead: number;
  readonly ledgerLanded: number;
}

/** Whether the events that are in the table are exactly those that were committed, each once, to the last pico-dollar. */
export function isWhole(tally: Tally): boolean {
  return (
    tally.lost === 0 &&
    tally.invented === 0 &&
    tally.missing === 0 &&
    tally.dead === 0 &&
    tally.rows === tally.distinct &&
    tally.rows === tally.ledgerLanded &&
    tally.costUsd === tally.expectedCostUsd &&
    tally.rollupCalls === tally.rows &&
    tally.rollupCostUsd === tally.expectedCostUsd
  );
}

/** Counts table, rollup and ledger of a home's embedded store, and compares with the truth. */
export async function tally(env: Record<string, string>, truthFiles: readonly string[]): Promise<Tally> {
  const truth = readTruth(truthFiles);
  const home = openHome(env.TOOLMETER_HOME as string);
  const store = await openConfiguredStore(loadSettings(null, env), home, silentLog);
  try {
    const client = await store.newClient();
    const rows = await client.query<{ event_id: string }>('SELECT event_id FROM calls');
    const [sums] = await client.query<{ cost: string }>('SELECT toString(sum(cost_usd)) AS cost FROM calls');
    const [rollup] = await client.query<{ calls: string; cost: string }>(
      'SELECT toString(sum(calls)) AS calls, toString(sum(cost_usd)) AS cost FROM calls_rollup',
    );
    const [ledger] = await client.query<{ missing: string; dead: string; landed: string }>(
      'SELECT toString(sum(missing_count)) AS missing, toString(sum(dead)) AS dead, toString(sum(landed)) AS landed FROM completeness FINAL',
    );
    const ids = new Set(rows.map(({ event_id }) => event_id));
    return {
      intended: truth.intended.size,
      committed: truth.committed.size,
      rows: rows.length,
      distinct: ids.size,
      lost: [...truth.committed].filter((id) => !ids.has(id)).length,
      invented: [...ids].filter((id) => !truth.intended.has(id)).length,
      costUsd: trim(sums?.cost),
      expectedCostUsd: formatUsd(costOf(ids, truth)),
      rollupCalls: Number(rollup?.calls),
      rollupCostUsd: trim(rollup?.cost),
      missing: Number(ledger?.missing),
      dead: Number(ledger?.dead),
      ledgerLanded: Number(ledger?.landed),
    };
  } finally {
    await store.close();
  }
}

/** ClickHouse writes all twelve digits. */
function trim(decimal: string | undefined): string {
  return (decimal ?? '').replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
}
