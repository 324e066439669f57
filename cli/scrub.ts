import { z } from 'zod';
import { ToolmeterError } from '../core/errors.ts';
import { openHome } from '../core/home.ts';
import { createScrubber, type Finding, type Scrubber } from '../processors/scrub/index.ts';
import { commandLine } from './command-line.ts';
import { runNdjson } from './ndjson.ts';

const USAGE = `Usage: toolmeter scrub < NDJSON

Each line {"id": …, "text": "…"} is scrubbed as plain text; {"id": …, "json": "…"} holds a string of JSON text, which
is scrubbed as JSON. Answers {"id", "findings": [{"type", "start", "end", "detector"}], "text"}; offsets are Unicode
code points of the input text, end exclusive. Pseudonyms are made with this machine's key (TOOLMETER_HOME).
`;

const InputSchema = z.union([
  z.object({ id: z.unknown().optional(), text: z.string() }),
  z.object({ id: z.unknown().optional(), json: z.string() }),
]);

export async function run(argv: string[]): Promise<number> {
  if (commandLine(argv, USAGE, {}) === null) return 0;
  const scrubber = createScrubber({ key: openHome().keys.pseudonym });
  return runNdjson((input) => scrubLine(input, scrubber));
}

/** One line's answer. @throws ToolmeterError TM_SCRUB_INPUT for a line of another shape. */
export function scrubLine(input: unknown, scrubber: Scrubber): object {
  const parsed = InputSchema.safeParse(input);
  if (!parsed.success) {
    throw new ToolmeterError(
      'TM_SCRUB_INPUT',
      'A line must be an object with a string "text" or "json".',
      'See toolmeter scrub --help.',
    );
  }
  const line = parsed.data;
  const text = 'text' in line ? line.text : line.json;
  const result = 'text' in line ? scrubber.plain(text) : scrubber.json(text);
  return {
    ...(line.id === undefined ? {} : { id: line.id }),
    findings: inCodePoints(text, result.findings),
    text: result.text,
  };
}

/** Findings, which are in order, with offsets in code points: a surrogate pair is one. */
export function inCodePoints(text: string, findings: readonly Finding[]): Finding[] {
  let unit = 0;
  let point = 0;
  const pointAt = (wanted: number): number => {
    while (unit < wanted) {
      unit += (text.codePointAt(unit) as number) > 0xffff ? 2 : 1;
      point++;
    }
    return point;
  };
  return findings.map(({ type, start, end, detector }) => ({
    type,
    start: pointAt(start),
    end: pointAt(end),
    detector,
  }));
}
