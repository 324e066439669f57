import { describe, expect, it } from 'vitest';
import { admit, MAX_AHEAD_MS } from '../../processors/admit.ts';
import type { RawRecord } from '../../schemas/record.ts';
import { observedCall } from '../support/events.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-11-25T12:00:00Z');
const at = { collector: 'c', instance: 'i', epoch: '0199a3c4-5d10-7c3e-8f21-4a6b0c9d1e2f', lane: 0, seq: 1 };

function admitted(startedMs: number, record: Partial<RawRecord>): string {
  const value = JSON.stringify(observedCall({ started_at: new Date(startedMs).toISOString() }));
  const result = admit({ kind: 'event', trusted: true, value, ...record }, NOW, {
    maxAheadMs: MAX_AHEAD_MS,
    maxAgeMs: 90 * DAY_MS,
  });
  return 'dead' in result ? result.dead.code : 'admitted';
}

describe('admit', () => {
  it.each([
    ['now', 0, { at }, 'admitted'],
    ['as far ahead as clocks may be', MAX_AHEAD_MS, { at }, 'admitted'],
    ['further ahead', MAX_AHEAD_MS + 1, { at }, 'TM_EVENT_FUTURE'],
    ['as old as is accepted', -90 * DAY_MS, { at }, 'admitted'],
    ['older', -90 * DAY_MS - 1, { at }, 'TM_EVENT_PAST'],
    ['foreign, a day old', -DAY_MS, { foreignId: 'x' }, 'admitted'],
    ['foreign, older: its id may be forgotten', -DAY_MS - 1, { foreignId: 'x' }, 'TM_EVENT_FOREIGN_LATE'],
    ['foreign, older, replayed on purpose', -2 * DAY_MS, { foreignId: 'x', replayOf: '7' }, 'admitted'],
  ] as const)('%s', (_, offsetMs, record, verdict) => expect(admitted(NOW + offsetMs, record)).toBe(verdict));

  it('reads bytes as it reads text, and says what is wrong without quoting it', () => {
    const bytes = Buffer.from(JSON.stringify(observedCall({ started_at: new Date(NOW).toISOString() })));
    const options = { maxAheadMs: MAX_AHEAD_MS, maxAgeMs: DAY_MS };
    expect(admit({ kind: 'event', trusted: true, value: bytes, at }, NOW, options)).toMatchObject({
      kind: 'call',
    });
    expect(admit({ kind: 'event', trusted: true, value: Buffer.from('secret'), at }, NOW, options)).toEqual({
      dead: expect.objectContaining({
        code: 'TM_EVENT_NOT_JSON',
        message: expect.not.stringContaining('secret'),
      }),
    });
  });
});
