import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../core/log.ts';
import { rowOf } from '../../../processors/row.ts';
import { createScrubber, type Scrubber } from '../../../processors/scrub/index.ts';
import { scrubStage } from '../../../processors/scrub/stage.ts';
import type { ObservedCall } from '../../../schemas/call-event.ts';
import type { MeteredCall } from '../../../schemas/metered-call.ts';
import type { RawRecord } from '../../../schemas/record.ts';
import { observedCall } from '../../support/events.ts';

const scrubber = createScrubber({ key: { kid: 'k9', secret: new Uint8Array(32).fill(7) } });

function scrubbed(
  overrides: Partial<ObservedCall>,
  trusted: boolean,
  engine: Scrubber = scrubber,
): MeteredCall {
  const event = observedCall(overrides);
  const record = { trusted } as RawRecord;
  const row = rowOf(event, record, 1n);
  scrubStage(engine).run([{ event, row, record, rawOffset: 1n, appendedAtMs: 0 }], { log: silentLog });
  return row;
}

const dirty = '{"to":"ada@example.org"}';
const content = (version?: string): ObservedCall['arguments'] => ({
  state: 'captured',
  bytes: dirty.length,
  text: dirty,
  source: 'wire',
  ...(version === undefined ? {} : { scrub: { version, kid: 'edge', findings: { phone: 1 } } }),
});

describe('scrubStage', () => {
  it('scrubs what nobody scrubbed, counts it, and names the key', () => {
    const row = scrubbed({ arguments: content(), result: content() }, true);
    expect(row.arguments_text).toMatch(/^\{"to":"<email:[a-z2-7]{16}>"\}$/);
    expect(row.result_text).toBe(row.arguments_text);
    expect(row.pii).toEqual({ email: 2 });
    expect(row.pseudonym_kid).toBe('k9');
  });

  it('believes a trusted collector with the same rules, and nobody else', () => {
    expect(scrubbed({ arguments: content(scrubber.version) }, true).arguments_text).toBe(dirty);
    expect(scrubbed({ arguments: content(scrubber.version) }, false).arguments_text).not.toContain('ada@');
    const older = scrubbed({ arguments: content('0') }, true);
    expect(older.arguments_text).not.toContain('ada@');
    expect(older.pii).toEqual({ phone: 1, email: 1 });
  });

  it('scrubs free text whoever sent it, and keeps who called', () => {
    const row = scrubbed(
      {
        error: { text: 'no such user ada@example.org' },
        resource_uri: 'mail://ada@example.org/inbox',
        tags: { team: 'blue', owner: 'ada@example.org' },
        caller: { id: 'ada@example.org', source: 'jwt', verified: true },
      },
      true,
    );
    expect(row.error_text).toMatch(/^no such user <email:/);
    expect(row.resource_uri).not.toContain('ada@');
    expect(row.tags.team).toBe('blue');
    expect(row.tags.owner).toMatch(/^<email:/);
    expect(row.caller).toBe('ada@example.org');
    expect(row.pii).toEqual({ email: 3 });
  });

  it('does not write to the event: its tags stay', () => {
    const event = observedCall({ tags: { owner: 'ada@example.org' } });
    const record = { trusted: true } as RawRecord;
    const row = rowOf(event, record, 1n);
    scrubStage(scrubber).run([{ event, row, record, rawOffset: 1n, appendedAtMs: 0 }], { log: silentLog });
    expect(event.tags.owner).toBe('ada@example.org');
  });

  it('withholds what it can not scrub, and goes on', () => {
    const broken: Scrubber = {
      ...scrubber,
      json: () => {
        throw new Error('no');
      },
      plain: () => {
        throw new Error('no');
      },
    };
    const row = scrubbed(
      { arguments: content(), result: content(), error: { text: 'ada@example.org' }, tags: { a: 'b' } },
      true,
      broken,
    );
    expect(row).toMatchObject({
      arguments_text: '',
      arguments_state: 'withheld',
      result_text: '',
      result_state: 'withheld',
      error_text: '',
      tags: { a: '' },
    });
    expect(row.arguments_bytes).toBe(dirty.length);
  });
});
