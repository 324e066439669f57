import { join } from 'node:path';
import { uuidv7 } from '../../core/ids.ts';
import { parseUsd } from '../../core/money.ts';
import { openEmbeddedLog } from '../../eventlog/embedded/index.ts';
import type { EventLog, NewRecord } from '../../eventlog/port.ts';
import { callRecord } from '../../processors/outputs.ts';
import { rowOf } from '../../processors/row.ts';
import type { CostLine } from '../../schemas/call-event.ts';
import type { MeteredCall } from '../../schemas/metered-call.ts';
import { topicSpecs } from '../../schemas/topics.ts';

/** A clock that tests turn by hand. */
export class TestClock {
  #ms: number;
  constructor(iso: string) {
    this.#ms = Date.parse(iso);
  }
  nowMs(): number {
    return this.#ms;
  }
  set(iso: string): void {
    this.#ms = Date.parse(iso);
  }
  advance(ms: number): void {
    this.#ms += ms;
  }
}

export async function testLog(folder: string, partitions = 1, clock?: TestClock): Promise<EventLog> {
  const log = await openEmbeddedLog({
    path: join(folder, 'log.sqlite'),
    synchronous: 'NORMAL',
    leaseMs: 1_500,
    ...(clock !== undefined && { clock }),
  });
  await log.ensureTopics(topicSpecs(partitions));
  return log;
}

/** A metered call with every field set to something plausible; `rawOffset` must increase within a partition. */
export function meteredCall(rawOffset: number, change: Partial<MeteredCall> = {}): MeteredCall {
  const base = rowOf(
    {
      schema_version: 1,
      kind: 'call',
      event_id: uuidv7(),
      call_id: uuidv7(),
      collector: { kind: 'sdk', version: '0.1.0' },
      durable: true,
      tags: { run: 'night' },
      vantage: 'server',
      method: 'tools/call',
      tool: 'search',
      server: { name: 'docs', version: '1.0.0' },
      client: { name: 'agent', version: '2.0.0' },
      protocol_version: '2025-11-25',
      transport: 'stdio',
      session_id: 's-1',
      request_id: { type: 'number', value: '1' },
      caller: { id: 'ann', source: 'os_user', verified: false },
      started_at: '2026-03-10T12:00:00.123456Z',
      duration_us: 1_500,
      outcome: 'ok',
      arguments: { state: 'captured', bytes: 13, text: '{"q":"café"}', source: 'wire' },
      result: { state: 'captured', bytes: 4, text: '"ok"', source: 'wire' },
    },
    {
      kind: 'event',
      at: {
        collector: 'c1',
        instance: 'i1',
        epoch: '019a0000-0000-7000-8000-000000000001',
        lane: 0,
        seq: rawOffset + 1,
      },
      trusted: true,
      value: '',
    },
    BigInt(rawOffset),
  );
  return {
    ...base,
    team: 'search',
    cost_center: 'cc-1',
    project: 'p',
    environment: 'prod',
    counted: true,
    calls: 1,
    model: 'gpt-5',
    model_source: 'tag',
    tokens_arguments: 5,
    tokens_result: 7,
    tokens_basis: 'estimated',
    tokenizer: 'o200k_base',
    ...costOf([costLine('arguments', '0.000012'), costLine('tool_fee', '0.25', 'metered')]),
    ...change,
  };
}

export function costLine(
  kind: CostLine['kind'],
  amount: string,
  basis: CostLine['basis'] = 'estimated',
): CostLine {
  return {
    kind,
    quantity: '1',
    unit: kind === 'tool_fee' ? 'call' : 'token',
    unit_price_usd: amount,
    amount_usd: amount,
    price_id: 'test/1',
    basis,
  };
}

/** The cost fields of a row with these lines: the amounts' sum is exact. */
export function costOf(lines: CostLine[]): Pick<MeteredCall, 'cost_usd' | 'cost_basis' | 'cost_lines'> {
  const pico = lines.reduce((sum, line) => sum + parseUsd(line.amount_usd)!, 0n);
  const abs = pico < 0n ? -pico : pico;
  return {
    cost_lines: lines,
    cost_basis: lines[0]?.basis ?? 'unpriced',
    cost_usd: `${pico < 0n ? '-' : ''}${abs / 10n ** 12n}.${(abs % 10n ** 12n).toString().padStart(12, '0')}`,
  };
}

export const record = (row: MeteredCall, partition = 0): NewRecord => callRecord(row, partition);

/** Waits until `check` gives something other than false, null or undefined. */
export async function eventually<T>(
  check: () => Promise<T | false | null | undefined>,
  what: string,
  timeoutMs = 15_000,
): Promise<T> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== false && value !== null && value !== undefined) return value;
    if (Date.now() > until) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
