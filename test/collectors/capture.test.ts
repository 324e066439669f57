import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { captureContent, captureText, cutBytes, HASH_MAX_UNITS } from '../../collectors/capture.ts';
import { keyedHash } from '../../core/keyed-hash.ts';
import { createScrubber } from '../../processors/scrub/index.ts';
import { ContentSchema } from '../../schemas/call-event.ts';
import { brokenScrubber, testCapture } from './rpc/support.ts';

const key = { kid: 'p1', secret: Buffer.alloc(32, 5) };
const real = { ...testCapture, scrubber: createScrubber({ key }) };
const wire = (text: string) => ({ text, source: 'wire' as const });

describe('captureContent', () => {
  test('size, hash, text and what the scrub did', () => {
    const text = '{"note":"secret-word","n":1.0,"ä":"€"}';
    const content = captureContent(wire(text), testCapture);
    expect(content).toEqual({
      state: 'captured',
      bytes: Buffer.byteLength(text),
      text: text.replace('secret-word', '<secret:abc>'),
      source: 'wire',
      hash: keyedHash(testCapture.contentKey, JSON.parse(text)),
      scrub: { version: 'test-1', kid: 'p1', findings: { secret: 1 } },
    });
  });

  test('a value alone is serialised anew; undefined is none; what JSON can’t hold is withheld', () => {
    expect(captureContent({ value: { b: 1, a: [undefined] } }, testCapture)).toMatchObject({
      text: '{"b":1,"a":[null]}',
      source: 'reserialized',
    });
    expect(captureContent({ value: undefined }, testCapture)).toEqual({ state: 'none', bytes: 0 });
    expect(captureContent({ value: { n: 1n } }, testCapture)).toEqual({ state: 'withheld', bytes: 0 });
  });

  test('maxBytes 0 leaves the content out: size and hash stay', () => {
    const content = captureContent(wire('{"a":1}'), { ...testCapture, maxBytes: 0 });
    expect(content).toEqual({
      state: 'omitted',
      bytes: 7,
      hash: keyedHash(testCapture.contentKey, { a: 1 }),
    });
  });

  test('a scrubber that throws: nothing of the text is kept', () => {
    const content = captureContent(wire('{"a":"private"}'), { ...testCapture, scrubber: brokenScrubber });
    expect(content).toEqual({ state: 'withheld', bytes: 15, hash: expect.anything() });
  });

  test('text that is not JSON has no hash, and no NUL', () => {
    const content = captureContent(wire('not\0JSON'), testCapture);
    expect(content.text).toBe('not\uFFFDJSON');
    expect(content).not.toHaveProperty('hash');
  });

  test('cut text never holds a part of a finding', () => {
    // The finding moves over every place around the cut.
    for (let before = 40; before <= 70; before++) {
      const text = JSON.stringify({
        t: `${'x '.repeat(before / 2)}ada.lovelace@example.org and more, and more`,
      });
      const content = captureContent(wire(text), { ...real, maxBytes: 64 });
      expect(content.state).toBe('truncated');
      expect(Buffer.byteLength(content.text as string)).toBeLessThanOrEqual(64);
      expect(content.text).not.toMatch(/ada|lovelace|example/);
      expect(content.text).not.toMatch(/<[^>]*$/);
    }
  });

  test('any value: within its limit, valid, and as it was where it is short and holds nothing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 200 }), (value, maxBytes) => {
        const text = JSON.stringify(value);
        const content = captureContent({ text, source: 'wire', value }, { ...testCapture, maxBytes });
        expect(ContentSchema.safeParse(content).success).toBe(true);
        expect(content.bytes).toBe(Buffer.byteLength(text));
        expect(Buffer.byteLength(content.text as string)).toBeLessThanOrEqual(maxBytes);
        expect(text.startsWith(content.text as string)).toBe(true);
        expect(content.state).toBe(Buffer.byteLength(text) <= maxBytes ? 'captured' : 'truncated');
      }),
    );
  });

  test('20 MB take bounded time, keep a scrubbed head and have no hash', () => {
    const text = JSON.stringify({
      mail: 'ada@example.org',
      rows: Array.from({ length: 1_000_000 }, (_, i) => `row ${i} of it`),
    });
    expect(text.length).toBeGreaterThan(HASH_MAX_UNITS);
    const cpu = process.cpuUsage();
    const content = captureContent(wire(text), real);
    const used = process.cpuUsage(cpu);
    expect((used.user + used.system) / 1000).toBeLessThan(1_500);
    expect(content).toMatchObject({ state: 'truncated', bytes: text.length });
    expect(content).not.toHaveProperty('hash');
    expect(content.text).toMatch(/^\{"mail":"<email:/);
    expect(Buffer.byteLength(content.text as string)).toBeLessThanOrEqual(64 * 1024);
  });

  test('a payload that runs past what is looked at leaves nothing of itself', () => {
    const data = 'QUJD'.repeat(3_000_000);
    const text = JSON.stringify({ content: [{ type: 'image', mimeType: 'image/png', data }] });
    const content = captureContent(wire(text), real);
    expect(content).toMatchObject({ state: 'truncated', bytes: text.length, media: { items: 1 } });
    expect(content.text).toMatch(/^\{"content":\[\{"type":"image"/);
    expect(content.text).not.toContain('QUJDQUJD');
  });

  test.each([30_000, 3_000_000])('an image of %i bytes is replaced and counted', (size) => {
    const data = Buffer.alloc(size, 7).toString('base64');
    const text = JSON.stringify({ content: [{ type: 'image', mimeType: 'image/png', data }] });
    const content = captureContent(wire(text), real);
    expect(content).toMatchObject({ state: 'captured', media: { items: 1, bytes: data.length } });
    expect(content.text).not.toContain(data.slice(0, 100));
  });
});

describe('cutBytes', () => {
  test('ends between code points and within the limit', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 0, max: 40 }), (text, maxBytes) => {
        const cut = cutBytes(text, maxBytes);
        expect(text.startsWith(cut)).toBe(true);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxBytes);
        if (text.isWellFormed()) expect(cut.isWellFormed()).toBe(true);
        const next = [...text.slice(cut.length)][0];
        if (next !== undefined && !text.includes('<'))
          expect(Buffer.byteLength(cut) + Buffer.byteLength(next)).toBeGreaterThan(maxBytes);
      }),
    );
  });
});

test('captureText scrubs before it cuts, and fails closed', () => {
  expect(captureText(`${'x'.repeat(20)} ada@example.org`, real, 28)).not.toContain('ada');
  expect(captureText('private', { ...testCapture, scrubber: brokenScrubber }, 100)).toBeUndefined();
});
