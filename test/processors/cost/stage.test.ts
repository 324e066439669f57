import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../core/log.ts';
import { parseUsd } from '../../../core/money.ts';
import { bundledCatalog } from '../../../processors/cost/catalog.ts';
import { catalogOf } from '../../../processors/cost/index.ts';
import { readOverlay } from '../../../processors/cost/overlay.ts';
import { costStage } from '../../../processors/cost/stage.ts';
import { rowOf } from '../../../processors/row.ts';
import type { Item } from '../../../processors/stage.ts';
import type { ObservedCall } from '../../../schemas/call-event.ts';
import { type MeteredCall, MeteredCallSchema } from '../../../schemas/metered-call.ts';
import { observedCall } from '../../support/events.ts';

const overlay = readOverlay(
  `
models:
  - model: m
    usd_per_million_tokens: { input: 2, output: 10, cache_read: 0.2, reasoning: 20 }
tools:
  - { server: everything, tool: echo, fee_usd: 0.01, valid_from: 2026-01-01, valid_to: 2026-07-01 }
  - { server: everything, tool: echo, fee_usd: 0.02, valid_from: 2026-07-01 }
  - { server: everything, tool: "*", fee_usd: 0.003, per: second }
`,
  'prices.yaml',
);
if (!overlay.ok) throw new Error('the price file is bad');
const catalog = catalogOf([overlay.overlay], bundledCatalog());
const stage = costStage({ current: () => catalog });

/** Prices one call whose row says what the stages before would have. */
function priced(row: Partial<MeteredCall>, event: Partial<ObservedCall> = {}, trusted = true): MeteredCall {
  const call = observedCall({
    started_at: '2026-03-01T00:00:00.000Z',
    tool: 'free',
    server: { name: 'other' },
    ...event,
  });
  const record = { kind: 'event', trusted, value: '' } as const;
  const item: Item = { record, event: call, rawOffset: 1n, appendedAtMs: 0, row: rowOf(call, record, 1n) };
  Object.assign(item.row, { counted: true, calls: 1, ...row });
  stage.run([item], { log: silentLog });
  expect(MeteredCallSchema.safeParse(item.row).error).toBeUndefined();
  const sum = item.row.cost_lines.reduce((total, line) => total + (parseUsd(line.amount_usd) as bigint), 0n);
  expect(parseUsd(item.row.cost_usd)).toBe(sum);
  return item.row;
}
const brief = (row: MeteredCall): string[] =>
  row.cost_lines.map(
    (line) => `${line.kind} ${line.quantity} × ${line.unit_price_usd} = ${line.amount_usd} ${line.basis}`,
  );

const tokens = {
  tokens_arguments: 100,
  tokens_result: 1000,
  tokens_definitions: 7,
  tokens_basis: 'metered',
} as const;

describe('the cost of a call', () => {
  it('arguments are output of the model; result and definitions its input', () => {
    const row = priced({ ...tokens, model: 'm', model_source: 'tag' });
    expect(brief(row)).toEqual([
      'arguments 100 × 0.00001 = 0.001 metered',
      'result 1000 × 0.000002 = 0.002 metered',
      'definitions 7 × 0.000002 = 0.000014 metered',
    ]);
    expect([row.cost_usd, row.cost_basis]).toEqual(['0.003014', 'metered']);
  });
  it('is an estimate where tokens are, or the model comes from a rule', () => {
    expect(priced({ ...tokens, model: 'm', model_source: 'rule' }).cost_basis).toBe('estimated');
    expect(priced({ ...tokens, tokens_basis: 'estimated', model: 'm', model_source: 'tag' }).cost_basis).toBe(
      'estimated',
    );
  });
  it('without a known model is 0 and says that it is unpriced', () => {
    for (const [model, id] of [
      ['', 'unpriced/no-model'],
      ['nobody-9', 'unpriced/unknown-model'],
    ]) {
      const row = priced({ ...tokens, model: model as string, model_source: 'tag' });
      expect([row.cost_usd, row.cost_basis]).toEqual(['0', 'unpriced']);
      expect(row.cost_lines.map(({ price_id, quantity }) => `${quantity} ${price_id}`)).toEqual([
        `100 ${id}`,
        `1000 ${id}`,
        `7 ${id}`,
      ]);
    }
  });
  it.each([
    ['2026-03-01T00:00:00.000Z', '0.01'],
    ['2026-06-30T23:59:59.999999Z', '0.01'],
    ['2026-07-01T00:00:00.000Z', '0.02'],
    ['2025-12-31T23:59:59.999Z', '0'],
  ])('a fee is the one that was valid at %s', (ts, fee) => {
    expect(priced({ ts }, { server: { name: 'Everything' }, tool: 'ECHO' }).cost_usd).toBe(fee);
  });
  it('a fee is charged where the tool ran', () => {
    const at = { server: { name: 'everything' }, tool: 'echo' };
    expect(priced({}, { ...at, outcome: 'tool_error' }).cost_usd).toBe('0.01');
    expect(priced({}, { ...at, outcome: 'denied' }).cost_usd).toBe('0');
  });
  it('a fee by the second counts microseconds', () => {
    const row = priced({}, { server: { name: 'everything' }, tool: 'other', duration_us: 1_500_001 });
    expect(brief(row)).toEqual(['tool_fee 1.500001 × 0.003 = 0.004500003 metered']);
  });
  it('a part without a price makes the whole unpriced, and keeps the rest', () => {
    const row = priced({ ...tokens }, { server: { name: 'everything' }, tool: 'echo' });
    expect([row.cost_usd, row.cost_basis]).toEqual(['0.01', 'unpriced']);
  });
  it('a trusted report of the cost is the whole; an untrusted one is nothing', () => {
    const cost = { cost: { amount_usd: '0.123456789012' } };
    const row = priced({ ...tokens, model: 'm', model_source: 'tag' }, cost);
    expect(brief(row)).toEqual(['reported 0.123456789012 × 1 = 0.123456789012 reported']);
    expect(priced({ ...tokens, model: 'm', model_source: 'tag' }, cost, false).cost_usd).toBe('0.003014');
  });
  it('trusted usage has cache and reasoning at their own prices; untrusted usage is not looked at', () => {
    const usage = { usage: { input: 10, output: 5, cache_read: 100, cache_write: 1, reasoning: 2 } };
    const row = priced(
      { ...tokens, tokens_definitions: 0, tokens_basis: 'reported', model: 'm', model_source: 'reported' },
      usage,
    );
    expect(brief(row)).toEqual([
      'arguments 5 × 0.00001 = 0.00005 metered',
      'arguments 2 × 0.00002 = 0.00004 metered',
      'result 10 × 0.000002 = 0.00002 metered',
      'result 100 × 0.0000002 = 0.00002 metered',
      'result 1 × 0.000002 = 0.000002 metered',
    ]);
    expect(brief(priced({ ...tokens, model: 'm', model_source: 'tag' }, usage, false))).toHaveLength(3);
  });
  it('an observation that does not count costs nothing', () => {
    const row = priced(
      { ...tokens, model: 'm', model_source: 'tag', counted: false, calls: 0 },
      { cost: { amount_usd: '5' } },
    );
    expect([row.cost_usd, row.cost_basis, row.cost_lines]).toEqual(['0', 'metered', []]);
  });
  it('a call of nothing costs nothing, for certain', () => {
    expect(priced({ tokens_basis: 'none' }, { method: 'ping' })).toMatchObject({
      cost_usd: '0',
      cost_basis: 'metered',
    });
  });
  it('usage of tools/list is definitions', () => {
    const row = priced(
      { ...tokens, tokens_basis: 'reported', model: 'm', model_source: 'reported' },
      { method: 'tools/list', usage: { input: 10, cache_read: 100 } },
    );
    expect(brief(row)).toEqual([
      'definitions 10 × 0.000002 = 0.00002 metered',
      'definitions 100 × 0.0000002 = 0.00002 metered',
    ]);
  });
  it('an adjustment is its lines', () => {
    const event = {
      ...{ schema_version: 1, event_id: observedCall().event_id, call_id: 'c', durable: true, tags: {} },
      collector: { kind: 'reprice', version: '1' },
      kind: 'adjustment',
      adjusts: observedCall().event_id,
      ts: '2026-03-01T00:00:00.000Z',
      labels: {
        method: 'tools/call',
        tool: 't',
        server: 's',
        caller: 'c',
        team: 'x',
        cost_center: '',
        project: '',
        environment: '',
        model: 'm',
      },
      reason: 'price correction',
      cost_lines: [
        {
          kind: 'result',
          quantity: '-5',
          unit: 'token',
          unit_price_usd: '0.1',
          amount_usd: '-0.5',
          price_id: 'a',
          basis: 'metered',
        },
        {
          kind: 'result',
          quantity: '5',
          unit: 'token',
          unit_price_usd: '0.2',
          amount_usd: '1',
          price_id: 'b',
          basis: 'estimated',
        },
      ],
    } as const;
    const record = { kind: 'event', trusted: true, value: '' } as const;
    const row = rowOf(structuredClone(event) as never, record, 1n);
    stage.run([{ record, event: structuredClone(event) as never, rawOffset: 1n, appendedAtMs: 0, row }], {
      log: silentLog,
    });
    expect([row.cost_usd, row.cost_basis, row.cost_lines.length, row.calls]).toEqual([
      '0.5',
      'estimated',
      2,
      0,
    ]);
  });
});
