import { appendFileSync } from 'node:fs';
import { parse } from '../../../cli/wrap.ts';
import type { Outbox, PendingCall } from '../../../collectors/spool/outbox.ts';
import { wrap } from '../../../collectors/stdio/index.ts';

/**
 * `toolmeter wrap` with an outbox that writes each ended call to the file RECORD_FILE as one line of JSON: what a
 * wrapper hands over, without the spool's own doings.
 */
const file = process.env.RECORD_FILE as string;
const open = new Set<PendingCall>();
const outbox: Outbox = {
  begin: (call) => void open.add(call),
  end(call) {
    open.delete(call);
    setImmediate(() => appendFileSync(file, `${JSON.stringify(call.event())}\n`));
  },
  flush: () => new Promise((done) => setImmediate(() => setImmediate(done))),
  close() {
    return this.flush();
  },
  stats: () => ({ open: open.size, buffered: 0, spooled: 0, published: 0, dropped: 0, durable: true }),
};

const parsed = parse(process.argv.slice(2));
if (parsed.kind !== 'run') throw new Error(JSON.stringify(parsed));
const { command, args, tags, server, maxMessageBytes } = parsed;
process.exitCode = await wrap({
  command,
  args,
  tags,
  env: process.env,
  outbox,
  ...(server !== undefined && { server }),
  ...(maxMessageBytes !== undefined && { maxMessageBytes }),
});
