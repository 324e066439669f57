import { parseArgs } from 'node:util';
import { table } from '../cli/table.ts';
import { createScrubber } from '../processors/scrub/index.ts';
import { apiAnswer, Maker, negatives, positives, score } from '../test/support/labelled-text.ts';
import { mixedCalls } from './load.ts';
import { conditions, emit, median, spread } from './support.ts';

/**
 * The scrubber's precision and recall by type, on a labelled set that rules of its own make, and its speed on clean
 * API answers, on answers with findings, on MCP results (JSON in JSON) and on prose; `JSON.parse` of the same in the
 * same rounds, so that machines compare.
 */
const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '40' } },
});
const rounds = Number(values.rounds);
const scrubber = createScrubber({ key: { kid: 'bench', secret: new Uint8Array(32).fill(1) } });

const samples = [...positives(1, 8000), ...negatives(2, 4000)];
const { scores, mistakes } = score(
  samples,
  ({ text, json }) => (json ? scrubber.json(text) : scrubber.plain(text)).findings,
);
const accuracy = [...scores.values()]
  .sort((a, b) => a.type.localeCompare(b.type))
  .map(({ type, found, missed, wrong }) => ({
    type,
    labels: found + missed,
    recall: found / (found + missed),
    precision: found / (found + wrong),
  }));
process.stdout.write(
  `\naccuracy on ${samples.length} samples\n${table(accuracy, [
    { title: 'type', value: (row) => row.type },
    { title: 'labels', value: (row) => String(row.labels), right: true },
    { title: 'recall', value: (row) => row.recall.toFixed(4), right: true },
    { title: 'precision', value: (row) => row.precision.toFixed(4), right: true },
  ])}\n`,
);
for (const mistake of mistakes.slice(0, 10)) process.stdout.write(`${mistake}\n`);

const make = new Maker(3);
const clean = Array.from({ length: 300 }, () => apiAnswer(make));
const PROSE =
  'The cache is cold after a restart, and requests take longer than they should. We could warm it from the last snapshot. ';
const sets: Record<string, string[]> = {
  clean,
  with_findings: clean.map((text, i) =>
    text.replace('The cache', `Ask ada${i}@example.org or call 415-555-0${100 + (i % 100)}. The cache`),
  ),
  mcp_results: [...mixedCalls(300, 5)].map((call) => call.result.text ?? ''),
  prose: Array.from({ length: 100 }, () =>
    JSON.stringify({ content: [{ type: 'text', text: PROSE.repeat(10) }] }),
  ),
};

/** Microseconds of CPU a KB of one pass over a set. */
function microsPerKb(set: readonly string[], work: (text: string) => unknown): number {
  let units = 0;
  const begun = process.cpuUsage();
  for (const text of set) {
    work(text);
    units += text.length;
  }
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / (units / 1024);
}

const measured: Record<string, number[]> = Object.fromEntries(
  Object.keys(sets).flatMap((name) => [
    [name, []],
    [`${name}_parse`, []],
  ]),
);
for (let round = 0; round < rounds; round++) {
  for (const [name, set] of Object.entries(sets)) {
    measured[name]?.push(microsPerKb(set, scrubber.json));
    measured[`${name}_parse`]?.push(microsPerKb(set, JSON.parse));
  }
}
const of = (name: string): number => median(measured[name] as number[]);
const rounded = (value: number): number => Number(value.toFixed(3));
emit({
  name: 'scrub',
  rows: Object.entries(measured).map(([name, micros]) => ({
    measure: name.endsWith('_parse')
      ? `JSON.parse ${name.slice(0, -6)}, CPU µs/KB`
      : `scrub ${name}, CPU µs/KB`,
    ...spread(micros),
  })),
  metrics: {
    ...Object.fromEntries(
      Object.keys(sets).flatMap((name) => [
        [`${name}_us_per_kb`, rounded(of(name))],
        [`${name}_mb_per_s`, rounded(1e6 / 1024 / of(name))],
        [`${name}_ratio_to_json_parse`, rounded(of(name) / of(`${name}_parse`))],
      ]),
    ),
    ...Object.fromEntries(
      accuracy.flatMap(({ type, recall, precision }) => [
        [`${type}_recall`, rounded(recall)],
        [`${type}_precision`, rounded(precision)],
      ]),
    ),
  },
  conditions: { ...conditions(), rounds, samples: samples.length },
  json: values.json,
});
