import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stripContent } from '../../../collectors/spool/strip.ts';
import { decodeLine } from '../../../collectors/spool/wire.ts';
import { readWireAnswer } from '../../../collectors/spool/wire-client.ts';
import { uuidv7 } from '../../../core/ids.ts';
import type { RawRecord } from '../../../schemas/raw-record.ts';
import { RECORD_KINDS } from '../../../schemas/record.ts';
import { observedCall } from '../../support/events.ts';
import { encodeLine } from '../../support/wire.ts';

const credential = { collector: 'laptop', trusted: false };
const lane = { collector: 'laptop', instance: 'i', epoch: uuidv7(), lane: 0 };

const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
/** Events whose text tries to look like the rest of a line. */
const event = fc.oneof(
  fc.object().map((value) => JSON.stringify(value)),
  fc.constantFrom(
    '{"a":",\\"event\\":{"}',
    '{"event":{"event":1},"kind":"open"}',
    '{ "spaced" : 1.0, "big": 12345678901234567890 }',
    '{"nul":"\\u0000","lone":"\\ud800"}',
    '{"__proto__":{"kind":"open"}}',
  ),
);
const record: fc.Arbitrary<RawRecord> = fc
  .record({
    kind: fc.constantFrom(...RECORD_KINDS),
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    last: count,
    dropped: count,
    stripped: fc.boolean(),
    traceparent: fc.option(fc.string({ maxLength: 100 }), { nil: undefined }),
    event,
  })
  .map(({ kind, seq, last, dropped, stripped, traceparent, event }) => ({
    kind,
    at: kind === 'event' ? { ...lane, seq } : lane,
    trusted: false,
    ...((kind === 'alive' || kind === 'end') && { last }),
    ...(kind === 'gap' && { dropped }),
    ...(stripped && { stripped }),
    ...(traceparent !== undefined && { traceparent }),
    value: kind === 'event' ? event : '',
  }));

describe('a line', () => {
  test('is read as the record that it was written from, to the byte of its event', () => {
    fc.assert(
      fc.property(record, (record) => {
        expect(decodeLine(encodeLine(record), credential)).toEqual(record);
      }),
      { numRuns: 500 },
    );
  });

  test('of anyone else may order its keys as it likes', () => {
    const text = JSON.stringify({
      event: { a: [1, { event: 2 }] },
      at: { seq: 1, lane: 0, epoch: lane.epoch, instance: 'i' },
      kind: 'event',
    });
    expect(decodeLine(text, credential)).toMatchObject({
      kind: 'event',
      at: { ...lane, seq: 1 },
      value: '{"a":[1,{"event":2}]}',
    });
  });

  test('cannot speak for another collector, nor claim trust', () => {
    const line = encodeLine({ kind: 'event', at: { ...lane, seq: 1 }, trusted: true, value: '{}' });
    expect(decodeLine(line, { collector: 'other', trusted: false })).toMatchObject({
      at: { collector: 'other' },
      trusted: false,
    });
    for (const key of ['collector', 'trusted', 'replayOf', 'foreignId'])
      expect(decodeLine(`{"${key}":"x",${line.slice(1)}`, credential)).toHaveProperty('problem');
  });

  test.each([
    ['not JSON', '{'],
    ['no lane', '{"kind":"open"}'],
    ['an unknown kind', JSON.stringify({ kind: 'x', at: { instance: 'i', epoch: lane.epoch, lane: 0 } })],
    [
      'no number',
      JSON.stringify({ kind: 'event', at: { instance: 'i', epoch: lane.epoch, lane: 0 }, event: {} }),
    ],
    [
      'no event',
      JSON.stringify({ kind: 'event', at: { instance: 'i', epoch: lane.epoch, lane: 0, seq: 1 } }),
    ],
    [
      'number 0',
      JSON.stringify({ kind: 'event', at: { instance: 'i', epoch: lane.epoch, lane: 0, seq: 0 }, event: {} }),
    ],
    [
      'an end without its last number',
      JSON.stringify({ kind: 'end', at: { instance: 'i', epoch: lane.epoch, lane: 0 } }),
    ],
    ['an array', '[]'],
  ])('with %s is refused with a reason', (_, line) => {
    expect(decodeLine(line, credential)).toEqual({ problem: expect.stringMatching(/./) });
  });
});

describe('an answer', () => {
  test('is read, with what the ingest adds to it later', () => {
    expect(
      readWireAnswer(
        '{"accepted":3,"duplicates":0,"rejected":[{"index":1,"code":"TM_X","message":"m","hint":"h"}],"new":1}',
      ),
    ).toEqual({
      accepted: 3,
      rejected: [{ index: 1, code: 'TM_X', message: 'm' }],
    });
    expect(readWireAnswer('{"accepted":3}')).toEqual({ accepted: 3, rejected: [] });
  });

  test.each([
    '',
    'null',
    '[]',
    'ok',
    '{}',
    '{"accepted":"3"}',
    '{"accepted":1,"rejected":[{"index":-1,"code":"x"}]}',
    '{"accepted":1,"rejected":{}}',
  ])('that is not one of ours is not taken for one: %s', (text) =>
    expect(readWireAnswer(text)).toBeUndefined(),
  );
});

describe('an event without its content', () => {
  test('keeps sizes, hashes and counts', () => {
    const hash = { kid: 'k', value: 'A'.repeat(43) };
    const event = observedCall({
      arguments: {
        state: 'truncated',
        bytes: 70_000,
        text: '"x',
        source: 'wire',
        hash,
        media: { items: 1, bytes: 9 },
      },
      result: { state: 'none', bytes: 0 },
    });
    expect(JSON.parse(stripContent(JSON.stringify(event)) as string)).toEqual({
      ...event,
      arguments: { state: 'omitted', bytes: 70_000, hash, media: { items: 1, bytes: 9 } },
    });
  });

  test('is not made where there is nothing to take out, or no event', () => {
    const bare = observedCall({
      arguments: { state: 'none', bytes: 0 },
      result: { state: 'omitted', bytes: 9 },
    });
    for (const text of [JSON.stringify(bare), '{', 'null', '{"kind":"adjustment"}', '7'])
      expect(stripContent(text)).toBeNull();
  });
});
