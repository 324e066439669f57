/**
 * A collector to kill: `child.ts HOME URL CALLS`. Makes calls, some of which stay open for a while, and prints each
 * event's id once it is committed. After CALLS calls it closes cleanly.
 */
import { openOutbox } from '../../../collectors/spool/index.ts';
import { homeIn, TestCall } from './support.ts';

const [path, url, calls] = process.argv.slice(2) as [string, string, string];
const outbox = openOutbox({
  home: homeIn(path),
  destination: { kind: 'http', url },
  flushMs: 2,
  lingerMs: 5,
});
const open: TestCall[] = [];
let ended: TestCall[] = [];

function end(call: TestCall): void {
  call.outcome = 'ok';
  outbox.end(call);
  ended.push(call);
}

for (let i = 0; i < Number(calls); i++) {
  const call = new TestCall();
  outbox.begin(call);
  if (i % 3 === 0) open.push(call);
  else end(call);
  if (open.length > 5) end(open.shift() as TestCall);
  if (i % 10 === 9) {
    const told = ended;
    ended = [];
    await outbox.flush();
    process.stdout.write(told.map(({ id }) => `${id}\n`).join(''));
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}
for (const call of open) end(call);
await outbox.close(10_000);
process.stdout.write(ended.map(({ id }) => `${id}\n`).join(''));
process.stdout.write(`closed ${outbox.stats().published}\n`);
