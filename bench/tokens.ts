import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { createTokenCounter } from '../processors/tokens/index.ts';
import { mixedCalls } from './load.ts';
import { conditions, emit, median, spread } from './support.ts';

/** Counting tokens of MCP results, ours and the bare library's on the same texts in the same rounds, and one long run. */
const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '30' } },
});
const rounds = Number(values.rounds);
const library = createRequire(import.meta.url)('gpt-tokenizer/encoding/o200k_base') as {
  countTokens(text: string, options: object): number;
};
const asText = { disallowedSpecial: new Set<string>() };
const counter = createTokenCounter({ remembered: 0 });
const texts = [...mixedCalls(400, 5)].map((call) => call.result.text ?? '');
const work: Record<string, (text: string) => number> = {
  gpt_4o: (text) => counter.count(text, 'gpt-4o').tokens,
  claude: (text) => counter.count(text, 'claude-sonnet-4-5').tokens,
  gemini: (text) => counter.count(text, 'gemini-2.5-pro').tokens,
  library: (text) => library.countTokens(text, asText),
};

const kb = texts.reduce((sum, text) => sum + text.length, 0) / 1024;
const measured: Record<string, number[]> = Object.fromEntries(Object.keys(work).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, count] of Object.entries(work)) {
    const begun = process.cpuUsage();
    for (const text of texts) count(text);
    const { user, system } = process.cpuUsage(begun);
    measured[name]?.push((user + system) / kb);
  }
}
const run = 'a'.repeat(100_000);
const begun = performance.now();
counter.count(run, 'gpt-4o');
const longRunMs = performance.now() - begun;

const of = (name: string): number => median(measured[name] as number[]);
const rounded = (value: number): number => Number(value.toFixed(3));
emit({
  name: 'tokens',
  rows: [
    ...Object.entries(measured).map(([name, micros]) => ({
      measure: `${name}, CPU µs/KB`,
      ...spread(micros),
    })),
    { measure: '100,000 letters without a break, ms', ...spread([longRunMs]) },
  ],
  metrics: {
    ...Object.fromEntries(Object.keys(work).map((name) => [`${name}_us_per_kb`, rounded(of(name))])),
    ratio_to_library: rounded(of('gpt_4o') / of('library')),
    long_run_ms: rounded(longRunMs),
    rss_mb: Math.round(process.memoryUsage.rss() / 2 ** 20),
  },
  conditions: { ...conditions(), rounds, texts: texts.length },
  json: values.json,
});
