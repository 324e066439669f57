import { openApiKeys } from '../../api/auth/keys.ts';
import { ToolmeterError } from '../../core/errors.ts';
import { sleep } from '../../core/retry.ts';
import type { SpendResult } from '../../schemas/api.ts';
import { table } from '../table.ts';
import { DEMO_TEAMS, driveTraffic } from './traffic.ts';

export interface DemoOptions {
  readonly url: string;
  readonly home: string;
  readonly begunAt: number;
}

/** A key of the demonstration's own, where one is needed. */
const KEY_LIFE_MS = 3_600_000;
/** Longest wait for the rows of calls that have been made. */
const SETTLE_MS = 20_000;

/** Drives the demonstration's traffic and prints the table. Resolves to the exit code. */
export async function runDemo({ url, home, begunAt }: DemoOptions): Promise<number> {
  await expectToolmeter(url);
  process.stdout.write(
    `\nDemonstration: ${DEMO_TEAMS.length} agents, one for each team, now call a real MCP server (server-everything) through\n` +
      '"toolmeter wrap". Calls and results are real; who the teams are and which model each agent uses is made up, by tags.\n',
  );
  const from = new Date(begunAt - 60_000).toISOString();
  const env = environment({ TOOLMETER_HOME: home, TOOLMETER_URL: url });
  const { calls, failures } = await driveTraffic({ env, rounds: 12 });
  process.stdout.write(
    `${calls} calls made, ${failures} of them failures on purpose. Waiting for the last row …\n`,
  );
  const result = await settle(url, home, from, calls);
  process.stdout.write(
    `\n${spendTable(result)}\n\nFrom start to table: ${((Date.now() - begunAt) / 1000).toFixed(1)} s\n`,
  );
  process.stdout.write(`Ask yourself:  curl '${url}/v1/spend?${query(from)}'\n`);
  return result.total.calls >= calls ? 0 : 1;
}

/** Before any traffic is made. @throws ToolmeterError TM_UNREACHABLE */
async function expectToolmeter(url: string): Promise<void> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    if (response.ok) return;
  } catch {
    // Why it can't be reached is less telling than that it can't: said below.
  }
  throw new ToolmeterError(
    'TM_UNREACHABLE',
    `No Toolmeter answers at ${url}.`,
    'Start it with "toolmeter up", or name another with --url.',
  );
}

function environment(extra: Record<string, string>): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...process.env, ...extra }))
    if (value !== undefined) out[name] = value;
  return out;
}

function query(from: string): string {
  const to = new Date(Date.now() + 60_000).toISOString();
  return new URLSearchParams({ from, to, group_by: 'team,model' }).toString();
}

/** Asks until all calls (and the `initialize` of each client, which is a call too) have landed. */
async function settle(url: string, home: string, from: string, calls: number): Promise<SpendResult> {
  let headers: Record<string, string> = {};
  const expected = calls + DEMO_TEAMS.length;
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const response = await fetch(`${url}/v1/spend?${query(from)}`, { headers });
    if (response.status === 401 && headers.authorization === undefined) {
      // Only what is embedded is read without a key.
      const expiresAt = new Date(Date.now() + KEY_LIFE_MS);
      headers = {
        authorization: `Bearer ${openApiKeys(home).create({ name: 'demonstration', role: 'finance', expiresAt }).key}`,
      };
      continue;
    }
    const result = (await response.json()) as SpendResult;
    if (response.ok && (result.total.calls >= expected || Date.now() > deadline)) return result;
    if (!response.ok && Date.now() > deadline)
      throw new ToolmeterError(
        'TM_UNREACHABLE',
        `GET ${url}/v1/spend answers ${response.status}.`,
        `GET ${url}/readyz says what is not ready.`,
      );
    await sleep(100);
  }
}

function spendTable({ rows, total }: SpendResult): string {
  const number = (value: number): string => value.toLocaleString('en-US');
  const all = [...rows, { ...total, group: { team: 'Total', model: '' } }];
  return table(all, [
    { title: 'team', value: (row) => row.group.team || '(none)' },
    { title: 'model', value: (row) => row.group.model ?? '' },
    { title: 'calls', value: (row) => number(row.calls), right: true },
    { title: 'errors', value: (row) => number(row.errors), right: true },
    { title: 'tokens out', value: (row) => number(row.tokens_arguments), right: true },
    { title: 'tokens in', value: (row) => number(row.tokens_result + row.tokens_definitions), right: true },
    { title: 'spend USD', value: (row) => row.cost_usd, right: true },
    { title: 'of it estimated', value: (row) => row.by_basis.estimated.cost_usd, right: true },
  ]);
}
