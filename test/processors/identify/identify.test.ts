import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../core/log.ts';
import { countingPolicy, counts } from '../../../processors/identify/counting.ts';
import { identifyStage } from '../../../processors/identify/stage.ts';
import { rowOf } from '../../../processors/row.ts';
import type { Item } from '../../../processors/stage.ts';
import { type CallEvent, type ObservedCall, OUTCOMES, VANTAGES } from '../../../schemas/call-event.ts';
import { ConfigSchema } from '../../../schemas/config.ts';
import { observedCall } from '../../support/events.ts';

const counting = (text: unknown = {}) => ConfigSchema.parse({ counting: text }).counting;

describe('which observation counts', () => {
  const servers = {
    plain: {},
    theirs: { by: 'client' },
    fronted: { gateway: true },
    both: { gateway: true, metered: true },
    odd: { by: 'client', gateway: true },
  };
  it.each([
    [{}, 'any', 'server'],
    [{ default: 'client' }, 'any', 'client'],
    [{ servers }, 'plain', 'server'],
    [{ default: 'client', servers }, 'plain', 'server'],
    [{ servers }, 'theirs', 'client'],
    [{ servers }, ' THEIRS', 'client'],
    [{ servers }, 'fronted', 'gateway'],
    [{ servers }, 'both', 'server'],
    [{ servers }, 'odd', 'client'],
    [{ servers }, 'constructor', 'server'],
  ])('%j, %s: %s', (config, server, vantage) => {
    const policy = countingPolicy(counting(config));
    const counted = VANTAGES.filter((one) =>
      counts({ vantage: one, server, nested: false, outcome: 'ok' }, policy),
    );
    // Exactly one vantage point, so nothing counts twice.
    expect(counted).toEqual([vantage]);
    expect(
      VANTAGES.some((one) => counts({ vantage: one, server, nested: true, outcome: 'ok' }, policy)),
    ).toBe(false);
  });
  it('every ending counts but the one that is none', () => {
    const policy = countingPolicy(counting());
    const counted = OUTCOMES.filter((outcome) =>
      counts({ vantage: 'server', server: 's', nested: false, outcome }, policy),
    );
    expect(OUTCOMES.filter((outcome) => !counted.includes(outcome))).toEqual(['interim']);
  });
  it('one server under two names is no configuration', () => {
    const { error } = ConfigSchema.safeParse({ counting: { servers: { search: {}, Search: {} } } });
    expect(error?.issues).toMatchObject([
      { path: ['counting', 'servers', 'Search'], message: expect.stringContaining('the same name') },
    ]);
  });
});

function identified(event: CallEvent, trusted: boolean): Item {
  const record = { kind: 'event', trusted, value: '' } as const;
  const item: Item = { record, event, rawOffset: 1n, appendedAtMs: 0, row: rowOf(event, record, 1n) };
  identifyStage(counting()).run([item], { log: silentLog });
  return item;
}
const row = (event: Partial<ObservedCall>, trusted = true) => identified(observedCall(event), trusted).row;

describe('who called', () => {
  it('is what a trusted credential says', () => {
    expect(row({})).toMatchObject({ caller: 'ada', caller_source: 'os_user', caller_verified: true });
  });
  it('is declared where the credential is not trusted', () => {
    expect(row({ caller: { id: 'ada', source: 'mtls', verified: true } }, false)).toMatchObject({
      caller: 'ada',
      caller_source: 'declared',
      caller_verified: false,
    });
  });
  it('is never verified by its own word', () => {
    expect(row({ caller: { id: 'ada', source: 'declared', verified: true } }).caller_verified).toBe(false);
    expect(row({ caller: { id: '', source: 'jwt', verified: true } })).toMatchObject({
      caller_source: 'none',
      caller_verified: false,
    });
    expect(row({ caller: { id: '', source: 'none', verified: false } }, false).caller_source).toBe('none');
  });
});

describe('which model', () => {
  it.each<[string, Partial<ObservedCall>, string, string]>([
    ['a tag', { tags: { model: ' gpt-4o ' } }, 'gpt-4o', 'tag'],
    [
      'a report before a tag',
      { tags: { model: 'gpt-4o' }, model: { name: 'o3', source: 'reported' } },
      'o3',
      'reported',
    ],
    [
      'a tag before a rule',
      { tags: { model: 'gpt-4o' }, model: { name: 'o3', source: 'rule' } },
      'gpt-4o',
      'tag',
    ],
    [
      'a report that is empty',
      { tags: { model: 'gpt-4o' }, model: { name: '', source: 'reported' } },
      'gpt-4o',
      'tag',
    ],
    ['nothing', { tags: { model: ' ' } }, '', 'none'],
  ])('%s', (_title, event, model, source) =>
    expect(row(event)).toMatchObject({ model, model_source: source }),
  );
});

it('writes what counts', () => {
  expect(row({ vantage: 'server' })).toMatchObject({ counted: true, calls: 1 });
  expect(row({ vantage: 'client' })).toMatchObject({ counted: false, calls: 0 });
  expect(row({ vantage: 'server', nested: true })).toMatchObject({ counted: false, calls: 0 });
  expect(row({ vantage: 'server', outcome: 'interim' })).toMatchObject({ counted: false, calls: 0 });
});

describe('money that must not reach the books', () => {
  const { event_id, call_id, collector } = observedCall();
  const adjustment: CallEvent = {
    ...{
      schema_version: 1,
      event_id,
      call_id,
      collector,
      durable: true,
      tags: {},
      kind: 'adjustment',
      adjusts: event_id,
    },
    ts: '2026-01-01T00:00:00Z',
    labels: {
      method: '',
      tool: '',
      server: '',
      caller: '',
      team: '',
      cost_center: '',
      project: '',
      environment: '',
      model: '',
    },
    reason: 'r',
    cost_lines: [
      {
        kind: 'result',
        quantity: '1',
        unit: 'token',
        unit_price_usd: '1',
        amount_usd: '1',
        price_id: 'p',
        basis: 'metered',
      },
    ],
  };
  it('an adjustment by a credential that is not trusted is a dead letter', () => {
    expect(identified(adjustment, false).dead?.code).toBe('TM_ADJUSTMENT_UNTRUSTED');
    const item = identified(adjustment, true);
    expect([item.dead, item.row.counted, item.row.calls]).toEqual([undefined, true, 0]);
  });
  it('a reported cost below 0 is a dead letter where it would be believed', () => {
    const event = observedCall({ cost: { amount_usd: '-0.1' } });
    expect(identified(event, true).dead?.code).toBe('TM_COST_NEGATIVE');
    expect(identified(event, false).dead).toBeUndefined();
  });
});
