import { expect, it } from 'vitest';
import { silentLog } from '../../../core/log.ts';
import { readDirectory } from '../../../processors/attribute/index.ts';
import { attributeStage } from '../../../processors/attribute/stage.ts';
import { rowOf } from '../../../processors/row.ts';
import type { Item } from '../../../processors/stage.ts';
import type { ObservedCall } from '../../../schemas/call-event.ts';
import type { MeteredCall } from '../../../schemas/metered-call.ts';
import { observedCall } from '../../support/events.ts';

const result = readDirectory(
  `rules:
  - { id: ada, when: { caller: ada }, team: red, cost_center: "07", project: p, environment: prod, valid_from: 2026-01-01 }
  - { id: agent, when: { client: agent }, model: m-1 }
`,
  'directory.yaml',
);
if (!result.ok) throw new Error('the directory is bad');
const { directory } = result;

function attributed(event: Partial<ObservedCall>, row: Partial<MeteredCall> = {}): MeteredCall {
  const call = observedCall({ started_at: '2026-01-01T00:00:00.000000Z', ...event });
  const record = { kind: 'event', trusted: true, value: '' } as const;
  const item: Item = {
    record,
    event: call,
    rawOffset: 1n,
    appendedAtMs: 0,
    row: { ...rowOf(call, record, 1n), ...row },
  };
  attributeStage({ current: () => directory }).run([item], { log: silentLog });
  return item.row;
}

it('writes labels, the model where none is known, and which rules decided', () => {
  expect(attributed({})).toMatchObject({
    team: 'red',
    cost_center: '07',
    project: 'p',
    environment: 'prod',
    model: 'm-1',
    model_source: 'rule',
    attribution: 'ada; model: agent',
  });
});
it('leaves a known model alone', () => {
  expect(attributed({}, { model: 'known', model_source: 'tag' })).toMatchObject({
    model: 'known',
    model_source: 'tag',
    attribution: 'ada',
  });
});
it('goes by the time of the call', () => {
  expect(attributed({ started_at: '2025-12-31T23:59:59.999999Z' })).toMatchObject({
    team: '',
    model: 'm-1',
    attribution: 'model: agent',
  });
});
it('skips the dead', () => {
  const call = observedCall();
  const record = { kind: 'event', trusted: true, value: '' } as const;
  const item: Item = {
    record,
    event: call,
    rawOffset: 1n,
    appendedAtMs: 0,
    row: rowOf(call, record, 1n),
    dead: { code: 'TM_X', message: '', hint: '' },
  };
  attributeStage({ current: () => directory }).run([item], { log: silentLog });
  expect(item.row.team).toBe('');
});
