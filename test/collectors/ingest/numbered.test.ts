import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBody } from '../../../collectors/ingest/decode.ts';
import { readRecordLine } from '../../../collectors/ingest/numbered.ts';
import { decodeLine } from '../../../collectors/spool/wire.ts';
import { uuidv7 } from '../../../core/ids.ts';
import type { RawRecord } from '../../../schemas/record.ts';
import { observedCall } from '../../support/events.ts';
import { encodeLine } from '../../support/wire.ts';

const credential = { collector: 'c-1', trusted: false };

const record: fc.Arbitrary<RawRecord> = fc
  .record({
    kind: fc.constantFrom('event', 'event', 'open', 'alive', 'end', 'gap'),
    instance: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/),
    epoch: fc.uuid({ version: 7 }),
    lane: fc.integer({ min: 0, max: 4095 }),
    seq: fc.maxSafeNat().map((n) => Math.max(1, n)),
    stripped: fc.boolean(),
    traceparent: fc.option(fc.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/), { nil: undefined }),
    value: fc.json({ maxDepth: 3 }).filter((text) => !text.includes('\n')),
  })
  .map(({ kind, instance, epoch, lane, seq, stripped, traceparent, value }) => ({
    kind: kind as RawRecord['kind'],
    at: { collector: 'other', instance, epoch, lane, ...(kind === 'event' && { seq }) },
    trusted: true,
    ...((kind === 'alive' || kind === 'end') && { last: seq }),
    ...(kind === 'gap' && { dropped: 3 }),
    ...(stripped && { stripped }),
    ...(traceparent !== undefined && { traceparent }),
    value: kind === 'event' ? value : '',
  }));

test('what a spool writes is read back: value to the byte, collector and trust from the credential', () => {
  fc.assert(
    fc.property(record, (written) => {
      const read = readRecordLine(Buffer.from(encodeLine(written)), credential);
      if ('problem' in read) throw new Error(read.problem);
      expect({ ...read, value: read.value.toString() }).toEqual({
        ...written,
        at: { ...written.at, collector: 'c-1' },
        trusted: false,
      });
    }),
    { numRuns: 500 },
  );
});

test('a line with other spacing or order is read as the spool itself would', () => {
  fc.assert(
    fc.property(record, fc.boolean(), (written, reversed) => {
      const entries = Object.entries(JSON.parse(encodeLine(written)));
      const line = JSON.stringify(Object.fromEntries(reversed ? entries.reverse() : entries), null, 1);
      const text = line.replaceAll('\n', ' ');
      const value = (read: ReturnType<typeof decodeLine>): unknown =>
        'problem' in read ? read : { ...read, value: read.value.toString() };
      expect(value(readRecordLine(Buffer.from(text), credential))).toEqual(
        value(decodeLine(text, credential)),
      );
    }),
  );
});

test('costs less than parsing the lines would', () => {
  const at = { collector: '', instance: 'i', epoch: uuidv7(), lane: 0 };
  const lines = Array.from({ length: 2_000 }, (_, i) =>
    encodeLine({
      kind: 'event',
      at: { ...at, seq: i + 1 },
      trusted: true,
      value: JSON.stringify(observedCall()),
    }),
  );
  const body = Buffer.from(lines.join('\n'));
  const best = (work: () => void): number =>
    Math.min(
      ...Array.from({ length: 7 }, () => {
        const begun = performance.now();
        work();
        return performance.now() - begun;
      }),
    );
  const parsing = best(() => {
    for (const line of body.toString('utf8').split('\n')) JSON.parse(line);
  });
  const reading = best(() => {
    if (decodeBody('lines', body, {}, credential).records.length !== 2_000) throw new Error('not all');
  });
  expect(reading).toBeLessThan(parsing);
});
