import { existsSync, readFileSync } from 'node:fs';
import { type Pico, parseUsd } from '../../core/money.ts';

/** The tools that fault tests call, and what one call of each costs, USD. */
export const FAULT_TOOLS = [
  { tool: 'a', feeUsd: '0.000000000001' },
  { tool: 'b', feeUsd: '0.000123' },
  { tool: 'c', feeUsd: '0.25' },
  { tool: 'd', feeUsd: '1.000000000007' },
] as const;

/** The price overlay with those fees. */
export const FAULT_PRICES = `tools:\n${FAULT_TOOLS.map(({ tool, feeUsd }) => `  - server: faults\n    tool: ${tool}\n    fee_usd: "${feeUsd}"\n    per: call\n    valid_from: 2020-01-01\n`).join('')}`;

export interface Truth {
  /** Events that a collector meant to commit, and their tools. */
  readonly intended: ReadonlyMap<string, string>;
  /** Those whose commit to the spool was confirmed. */
  readonly committed: ReadonlySet<string>;
}

export function readTruth(files: readonly string[]): Truth {
  const intended = new Map<string, string>();
  const committed = new Set<string>();
  for (const file of files) {
    if (!existsSync(file)) continue;
    // A last line without its end was cut by a kill: it was never written as a whole.
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    for (const line of lines) {
      const [word, id, tool] = line.split(' ') as [string, string, string];
      if (word === 'intended') intended.set(id, tool);
      else committed.add(id);
    }
  }
  return { intended, committed };
}

/** What a set of events costs. */
export function costOf(ids: Iterable<string>, truth: Truth): Pico {
  const fees = new Map(FAULT_TOOLS.map(({ tool, feeUsd }) => [tool as string, parseUsd(feeUsd) as Pico]));
  let sum = 0n;
  for (const id of ids) sum += fees.get(truth.intended.get(id) as string) as Pico;
  return sum;
}
