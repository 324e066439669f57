import { formatUsd, type Pico, parseUsd } from '../../../core/money.ts';
import type { RuleOf } from '../../../schemas/detect.ts';
import { BoundedKeys } from '../bounded-keys.ts';
import type { Detector, DetectorDeps } from '../detector.ts';
import { compileMatch } from '../match.ts';

/** Events that are kept to show. */
const SHOWN = 10;
/** Factors are taken to a millionth: money is integers. */
const MILLION = 1_000_000n;
/** The largest amount that is written: Decimal(38, 12). Untrusted costs may add up to more. */
const MOST: Pico = 10n ** 38n - 1n;

interface Window {
  readonly index: number;
  total: Pico;
  readonly shown: string[];
}

interface SpendState {
  used: boolean;
  /** By index, ascending; windows without spend are not held. */
  readonly windows: Window[];
  readonly first: number;
  /** The limit of the window that it was worked out for. */
  limitOf: number;
  limit: Pico | null;
  usual: Pico;
}

/**
 * A team's spend in a window of event time reaches the largest of `min_usd`, `ratio` × the median m of its earlier windows,
 * and m + `deviations` × 1.4826 × MAD. Earlier are those that ended a window ago: nothing is still arriving in them. A
 * window without calls is one of spend 0. Fires at the call that reaches it, since spend only grows within a window.
 * Counted calls only; corrections are not spend of now.
 */
export function spendSpike(rule: RuleOf<'spend_spike'>, { episodes, latenessMs }: DetectorDeps): Detector {
  const matches = compileMatch(rule.match);
  const windowMs = rule.window_s * 1000;
  const keys = new BoundedKeys<SpendState>(rule.max_keys);
  const least = parseUsd(rule.min_usd) as Pico;
  const ratio = BigInt(Math.round(rule.ratio * 1e6));
  const deviations = BigInt(Math.round(rule.deviations * 1.4826 * 1e6));
  let late = 0;

  const setLimit = (state: SpendState, index: number): void => {
    state.limitOf = index;
    const from = Math.max(state.first, index - 1 - rule.baseline_windows);
    const count = index - 1 - from;
    state.limit = null;
    if (count < rule.min_windows) return;
    const totals = state.windows
      .filter((one) => one.index >= from && one.index < index - 1)
      .map((one) => one.total);
    while (totals.length < count) totals.push(0n);
    const usual = middle(totals);
    const mad = middle(totals.map((total) => (total > usual ? total - usual : usual - total)));
    const bounds = [least, (usual * ratio) / MILLION, usual + (mad * deviations) / MILLION];
    state.usual = usual;
    state.limit = capped(bounds.reduce((a, b) => (b > a ? b : a)));
  };

  return {
    rule,
    horizonMs: (rule.baseline_windows + 2) * windowMs + latenessMs + rule.episode_s * 1000,
    observe({ row, atMs, recordedMs }) {
      if (!row.counted || row.team === '' || row.cost_usd === '0' || !matches(row)) return;
      const cost = parseUsd(row.cost_usd);
      if (cost === null || cost <= 0n) return;
      const index = Math.floor(atMs / windowMs);
      const state =
        keys.get(row.team) ??
        keys.add(row.team, {
          used: false,
          windows: [],
          first: index,
          limitOf: Number.NaN,
          limit: null,
          usual: 0n,
        });
      const { windows } = state;
      const newest = windows.at(-1)?.index ?? index;
      if (index < newest - 1) {
        late++;
        return;
      }
      let at = windows.length;
      while (at > 0 && (windows[at - 1] as Window).index > index) at--;
      let window = windows[at - 1];
      if (window?.index !== index) {
        window = { index, total: 0n, shown: [] };
        windows.splice(at, 0, window);
        while ((windows[0] as Window).index < newest - rule.baseline_windows - 2) windows.shift();
      }
      window.total = capped(window.total + cost);
      if (window.shown.length < SHOWN) window.shown.push(row.event_id);
      if (state.limitOf !== index) setLimit(state, index);
      if (state.limit === null || window.total < state.limit) return;
      const { usual, limit } = state;
      const { total, shown } = window;
      episodes.over(
        rule,
        {
          key: { team: row.team },
          startMs: index * windowMs,
          endMs: (index + 1) * windowMs,
          values: {},
          amounts: () => ({ spend: formatUsd(total), limit: formatUsd(limit), usual: formatUsd(usual) }),
          summary: () =>
            `${row.team} has spent ${formatUsd(total)} USD in a window of ${rule.window_s} s; ${formatUsd(usual)} is usual`,
          evidence: shown,
        },
        recordedMs,
      );
    },
    sweep() {},
    counts: () => ({ keys: keys.size, evicted: keys.evicted, late }),
  };
}

const capped = (amount: Pico): Pico => (amount > MOST ? MOST : amount);

/** The lower median. */
function middle(values: Pico[]): Pico {
  values.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return values[(values.length - 1) >> 1] as Pico;
}
