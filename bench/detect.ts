import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { uuidv7 } from '../core/ids.ts';
import { DEFAULT_RULES, DetectEngine, type DetectedCall, DriftDetector } from '../processors/detect/index.ts';
import { random } from './load.ts';
import { conditions, emit, spread } from './support.ts';

/**
 * The rules with their defaults over calls of 100,000 callers, each with a tool and a loop key of its own, half of the calls
 * with new arguments; and the drift score of one series. Making the calls is not measured; what they weigh is.
 */
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '400' },
    keys: { type: 'string', default: '100000' },
  },
});
const rounds = Number(values.rounds);
const keys = Number(values.keys);
/** A batch, as a reader of the log gets it. */
const CALLS = 2500;
const CALLS_PER_S = 20_000;
const PARTITIONS = 12;
const SERVER_TOOLS = 2000;

const next = random(1);
const hash = (text: string): string => createHash('sha256').update(text).digest('base64url');
let sent = 0;
let nowMs = Date.parse('2026-01-05T00:00:00Z');

/** As a reader parses it: each string is its own. */
function makeCall(): DetectedCall {
  // The first calls go round, so that every key lives from then on.
  const who = sent < keys ? sent : Math.floor(next() * keys);
  const tool = who % SERVER_TOOLS;
  const failed = next() < 0.02;
  sent++;
  return JSON.parse(
    JSON.stringify({
      kind: 'call',
      event_id: uuidv7(),
      vantage: 'gateway',
      method: 'tools/call',
      tool: `tool-${tool % 40}`,
      server: `server-${Math.floor(tool / 40)}`,
      caller: `caller-${who}`,
      caller_source: 'api_key',
      ip: '10.0.0.1',
      team: `team-${who % 200}`,
      ts: new Date(nowMs - Math.floor(next() * 30_000)).toISOString(),
      duration_us: Math.floor(20_000 * Math.exp(3 * next())),
      outcome: failed ? 'tool_error' : 'ok',
      arguments_hash: hash(next() < 0.5 ? `same ${who}` : `${sent}`),
      cost_usd: '0.000125',
      counted: true,
    }),
  ) as DetectedCall;
}

const engine = new DetectEngine(DEFAULT_RULES, PARTITIONS);
const rates: number[] = [];
let alerts = 0;
const warmUp = Math.ceil(keys / CALLS);
for (let round = 0; round < warmUp + rounds; round++) {
  const batch: DetectedCall[] = [];
  const startMs = nowMs;
  for (let i = 0; i < CALLS; i++) {
    nowMs = startMs + (i / CALLS_PER_S) * 1000;
    batch.push(makeCall());
  }
  const begun = process.cpuUsage();
  for (let i = 0; i < CALLS; i++)
    alerts += engine.call(
      batch[i] as DetectedCall,
      i % PARTITIONS,
      startMs + (i / CALLS_PER_S) * 1000,
    ).length;
  const { user } = process.cpuUsage(begun);
  if (round >= warmUp) rates.push(CALLS / (user / 1e6));
}
const counts = engine.counts();
const rssMb = process.memoryUsage.rss() / 2 ** 20;

const detector = new DriftDetector();
const begun = process.cpuUsage();
for (let i = 0; i < 200_000; i++) detector.next(i * 300_000, Math.sin(i / 45) * 20 + next());
const driftUs = process.cpuUsage(begun).user / 200_000;

const live = Object.values(counts.rules).reduce((sum, rule) => sum + rule.keys, 0);
const { median } = spread(rates);
emit({
  name: 'detect',
  rows: [
    { measure: 'calls/s of CPU, all rules', ...spread(rates) },
    { measure: 'drift score, CPU µs/value', ...spread([driftUs]) },
    { measure: 'RSS, MB', ...spread([rssMb]) },
  ],
  metrics: {
    calls_per_s: Math.round(median),
    calls_per_s_least: Math.round(Math.min(...rates)),
    rss_mb: Math.round(rssMb),
    drift_us_per_value: Number(driftUs.toFixed(2)),
    live_keys: live,
    alerts,
  },
  conditions: { ...conditions(), rules: DEFAULT_RULES.rules.length, callers: keys, rounds },
  json: values.json,
});
