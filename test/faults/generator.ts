/**
 * A collector of its own for fault tests: commits calls of known cost to a spool and writes down what it intended
 * (before) and what is committed (after), so that the truth survives its own death.
 * Arguments: TRUTH_FILE RUN FIRST COUNT PER_SECOND. The environment says home and destination.
 */
import { appendFileSync } from 'node:fs';
import { destinationFromEnv, openOutbox } from '../../collectors/spool/index.ts';
import { openHome } from '../../core/home.ts';
import { uuidv7 } from '../../core/ids.ts';
import { sleep } from '../../core/retry.ts';
import { observedCall } from '../support/events.ts';
import { FAULT_TOOLS } from './truth.ts';

const [truthFile, firstText, countText, rateText] = process.argv.slice(2) as [string, string, string, string];
const first = Number(firstText);
const last = first + Number(countText);
const rate = Number(rateText);

/** How long the last collector waits for brokers that were killed. */
const LAST_MS = 60_000;

const home = openHome();
const outbox = openOutbox({
  home,
  destination: destinationFromEnv(),
  durability: 'normal',
});
const begun = Date.now();
for (let next = first; next < last; ) {
  const due = Math.min(last, first + Math.ceil(((Date.now() - begun) / 1000) * rate));
  const lines: string[] = [];
  const events = [];
  for (; next < due; next++) {
    const tool = FAULT_TOOLS[next % FAULT_TOOLS.length]?.tool as string;
    const event = observedCall({
      event_id: uuidv7(),
      tool,
      server: { name: 'faults' },
      tags: { n: String(next) },
      model: { name: 'no-such-model', source: 'reported' },
    });
    events.push(event);
    lines.push(`intended ${event.event_id} ${tool}\n`);
  }
  if (events.length > 0) {
    appendFileSync(truthFile, lines.join(''));
    for (const event of events) outbox.end({ event: () => event });
    await outbox.flush();
    appendFileSync(truthFile, events.map((event) => `committed ${event.event_id}\n`).join(''));
  }
  await sleep(5);
}
// The rest is for the next owner, unless this one was asked to be the last: closing alone gives up at a failure.
const deadline = Date.now() + LAST_MS;
const isLast = process.env.FAULTS_LAST === '1';
while (isLast && outbox.stats().spooled > 0 && Date.now() < deadline) await sleep(50);
await outbox.close(isLast ? LAST_MS : 0);
