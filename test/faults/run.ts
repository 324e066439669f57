/** `npm run test:faults [-- --calls N] [-- --kills N] [-- --seed N] [-- --json]`: the fault test, whole. */
import { parseArgs } from 'node:util';
import { embeddedFaults } from './embedded.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '50000' },
    kills: { type: 'string', default: '30' },
    rate: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    json: { type: 'boolean' },
  },
});
process.stderr.write(`seed ${values.seed}\n`);
const result = await embeddedFaults({
  calls: Number(values.calls),
  kills: Number(values.kills),
  perSecond: Number(values.rate),
  seed: Number(values.seed),
  report: (line) => process.stderr.write(`${line}\n`),
});
for (const [name, value] of Object.entries(result)) process.stdout.write(`${name.padEnd(18)} ${value}\n`);
const whole =
  result.lost === 0 &&
  result.invented === 0 &&
  result.missing === 0 &&
  result.dead === 0 &&
  result.rows === result.distinct &&
  result.rows === result.ledgerLanded &&
  result.costUsd === result.expectedCostUsd &&
  result.rollupCalls === result.rows &&
  result.rollupCostUsd === result.expectedCostUsd;
process.stdout.write(whole ? 'nothing lost, nothing twice\n' : 'NOT WHOLE\n');
if (values.json)
  process.stdout.write(
    `${JSON.stringify({ name: 'faults', metrics: { ...result, whole: whole ? 1 : 0 } })}\n`,
  );
process.exit(whole ? 0 : 1);
