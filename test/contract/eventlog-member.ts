/**
 * A member of a group in a process of its own, to be killed or frozen: copies raw i → calls i in transactions.
 * Says on stdout, a JSON line each, what it does; on a line on stdin it goes on where it was told to wait.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { TOPICS } from '../../schemas/topics.ts';
import { type LogPlace, openLog } from './eventlog-backend.ts';

export interface MemberTask {
  readonly place: LogPlace;
  readonly group: string;
  /** Records a transaction. */
  readonly batch: number;
  /** Waits for a line on stdin between reading a batch and committing it. */
  readonly wait?: boolean;
}

export type MemberReport =
  | { event: 'acquired'; committed: string | null }
  | { event: 'read'; from: string; count: number }
  | { event: 'committed'; next: string }
  | { event: 'error'; code: string };

const task = JSON.parse(process.argv[2] as string) as MemberTask;
const say = (report: MemberReport): void => void process.stdout.write(`${JSON.stringify(report)}\n`);
const input = createInterface({ input: process.stdin });
const log = await openLog(task.place);
log.subscribe(
  task.group,
  TOPICS.raw,
  async (owned) => {
    const committed = await owned.committed();
    say({ event: 'acquired', committed: committed?.offset.toString() ?? null });
    let from = committed?.offset ?? 0n;
    while (!owned.signal.aborted) {
      const records = await owned.read(from, { maxRecords: task.batch, maxBytes: 64e6, waitMs: 200 });
      const last = records.at(-1);
      if (last === undefined) continue;
      say({ event: 'read', from: from.toString(), count: records.length });
      if (task.wait) await once(input, 'line');
      from = last.offset + 1n;
      await owned.transact(
        records.map(({ value, headers }) => ({
          topic: TOPICS.calls,
          partition: owned.partition,
          value,
          headers,
        })),
        { offset: from, metadata: 'copied' },
      );
      say({ event: 'committed', next: from.toString() });
    }
  },
  {
    onError: (error) => {
      const { code, message } = error as { code?: string; message: string };
      say({ event: 'error', code: code ?? message });
    },
  },
);
