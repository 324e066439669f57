import { hostname } from 'node:os';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { uuidv7 } from '../../core/ids.ts';
import type { Topic } from '../../schemas/topics.ts';

/**
 * Who is the one member of a (group, topic) that holds its partitions. A member renews its lease; another may take
 * over when the lease has run out (its process is frozen or its thread is gone) or, on the same host, at once when its
 * process is dead. Whoever took over raises the owner epochs, and the one before is refused from then on.
 *
 * All methods but `isFree` belong inside a write transaction. Leases run on the machine's own clock.
 */
export class Membership {
  readonly #member = `${hostname()}/${uuidv7()}`;
  readonly #group: string;
  readonly #topic: Topic;
  readonly #leaseMs: number;
  readonly #select: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #raise: StatementSync;
  readonly #epoch: StatementSync;

  constructor(db: DatabaseSync, group: string, topic: Topic, leaseMs: number) {
    this.#group = group;
    this.#topic = topic;
    this.#leaseMs = leaseMs;
    this.#select = db.prepare('SELECT member, pid, until_ms FROM members WHERE grp = ? AND topic = ?');
    this.#put = db.prepare('INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?)');
    this.#delete = db.prepare('DELETE FROM members WHERE grp = ? AND topic = ? AND member = ?');
    this.#raise = db.prepare(
      `INSERT INTO owners VALUES (?, ?, ?, 1)
       ON CONFLICT (grp, topic, partition) DO UPDATE SET epoch = epoch + 1 RETURNING epoch`,
    );
    this.#epoch = db.prepare('SELECT epoch FROM owners WHERE grp = ? AND topic = ? AND partition = ?');
  }

  /** True where joining would succeed now. */
  isFree(): boolean {
    const current = this.#select.get(this.#group, this.#topic) as
      | { member: string; pid: number; until_ms: number }
      | undefined;
    if (current === undefined || current.member === this.#member) return true;
    if (current.until_ms <= Date.now()) return true;
    return current.member.startsWith(`${hostname()}/`) && !isAlive(current.pid);
  }

  /** Becomes the member, or stays it; false where another is. */
  join(): boolean {
    if (!this.isFree()) return false;
    this.#put.run(this.#group, this.#topic, this.#member, process.pid, Date.now() + this.#leaseMs);
    return true;
  }

  /** Prolongs the lease; false where another has taken over. */
  renew(): boolean {
    const current = this.#select.get(this.#group, this.#topic) as { member: string } | undefined;
    return current?.member === this.#member && this.join();
  }

  leave(): void {
    this.#delete.run(this.#group, this.#topic, this.#member);
  }

  /** A new owner epoch of a partition, which fences every earlier one; null where another is the member. */
  acquire(partition: number): number | null {
    if (!this.renew()) return null;
    return (this.#raise.get(this.#group, this.#topic, partition) as { epoch: number }).epoch;
  }

  /** True while no later epoch of the partition was begun. */
  owns(partition: number, epoch: number): boolean {
    const row = this.#epoch.get(this.#group, this.#topic, partition) as { epoch: number } | undefined;
    return row?.epoch === epoch;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
