/** `exits.ts HOME HOW`: makes two calls and leaves one open, prints their ids, and ends without closing. */
import { openOutbox } from '../../../collectors/spool/index.ts';
import { homeIn, TestCall } from './support.ts';

const [path, how] = process.argv.slice(2) as [string, string];
const outbox = openOutbox({
  home: homeIn(path),
  machine: 'this',
  destination: {
    kind: 'log',
    id: 'test',
    append: () => new Promise(() => {}),
    schedule: async () => [{ fromMs: 0, partitions: 1 }],
  },
});
const calls = [new TestCall(), new TestCall(), new TestCall()];
for (const call of calls) outbox.begin(call);
for (const call of calls.slice(0, 2)) {
  call.outcome = 'ok';
  outbox.end(call);
}
process.stdout.write(calls.map(({ id }) => `${id}\n`).join(''));
if (how === 'exit') process.exit(0);
