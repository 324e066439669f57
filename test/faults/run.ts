/** `npm run test:faults [-- --calls N] [-- --kills N] [-- --seed N] [-- --kafka] [-- --json]`: the fault test, whole. */
import { parseArgs } from 'node:util';
import { embeddedFaults } from './embedded.ts';
import { kafkaFaults } from './kafka.ts';
import { isWhole } from './tally.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '50000' },
    kills: { type: 'string', default: '30' },
    rate: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    kafka: { type: 'boolean' },
    json: { type: 'boolean' },
  },
});
process.stderr.write(`seed ${values.seed}\n`);
const faults = values.kafka ? kafkaFaults : embeddedFaults;
const result = await faults({
  calls: Number(values.calls),
  kills: Number(values.kills),
  perSecond: Number(values.rate),
  seed: Number(values.seed),
  report: (line) => process.stderr.write(`${line}\n`),
});
for (const [name, value] of Object.entries(result)) process.stdout.write(`${name.padEnd(18)} ${value}\n`);
const whole = isWhole(result);
process.stdout.write(whole ? 'nothing lost, nothing twice\n' : 'NOT WHOLE\n');
if (values.json)
  process.stdout.write(
    `${JSON.stringify({ name: 'faults', metrics: { ...result, whole: whole ? 1 : 0 } })}\n`,
  );
process.exit(whole ? 0 : 1);
