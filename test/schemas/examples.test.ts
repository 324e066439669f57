import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { rowOf } from '../../processors/row.ts';
import { MeteredCallSchema } from '../../schemas/metered-call.ts';
import { attributeOf, FIELD_ATTRIBUTES } from '../../schemas/otel.ts';
import { readCallEvent } from '../../schemas/read-call-event.ts';

const folder = fileURLToPath(new URL('../../schemas/examples/', import.meta.url));
const generated = fileURLToPath(new URL('../../schemas/generated/call-event.json', import.meta.url));
const examples = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(join(folder, name), 'utf8'),
}));
const published = new Ajv2020({ strict: false, validateFormats: false }).compile(
  JSON.parse(readFileSync(generated, 'utf8')),
);

describe('golden events', () => {
  it('cover both eras', () => {
    const versions = new Set(
      examples.map(({ text }) => (JSON.parse(text) as { protocol_version?: string }).protocol_version),
    );
    expect(versions).toContain('2025-11-25');
    expect(versions).toContain('2026-07-28');
  });

  it.each(examples)(
    '$name is read as it was written, by the reader and by the published schema',
    ({ text }) => {
      expect(readCallEvent(text)).toEqual(JSON.parse(text));
      expect(published(JSON.parse(text)), JSON.stringify(published.errors)).toBe(true);
    },
  );

  it.each(examples)('$name becomes a row of the shape that the table has', ({ text }) => {
    const event = readCallEvent(text);
    if ('problem' in event) throw new Error(event.problem.message);
    const row = rowOf(event, { kind: 'event', trusted: true, value: text }, 7n);
    expect(MeteredCallSchema.parse(row)).toEqual(row);
  });
});

describe('the table of OpenTelemetry attributes', () => {
  it('names columns that exist, each once', () => {
    const columns = FIELD_ATTRIBUTES.map(({ column }) => column);
    expect(new Set(columns).size).toBe(columns.length);
    for (const column of columns) expect(Object.keys(MeteredCallSchema.shape)).toContain(column);
    expect(attributeOf('tool')).toBe('gen_ai.tool.name');
  });
});
