import { ClickHouseException } from './exception.ts';

/**
 * Places for statements, shared fairly: who waits takes turns by principal, so one that asks a thousand things at once
 * delays another by one. Beyond `maxWaiting` in all, the answer is ClickHouse's own for that.
 */
export class FairQueue {
  #free: number;
  #waiting = 0;
  /** Waiting, by principal; the order of keys is the order of turns. */
  readonly #lines = new Map<string, ((free: () => void) => void)[]>();
  readonly #maxWaiting: number;

  constructor({ places, maxWaiting }: { readonly places: number; readonly maxWaiting: number }) {
    this.#free = places;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Resolves with how to give the place back, once; later calls of it do nothing.
   * @param signal gives the turn up
   * @throws ClickHouseException TOO_MANY_SIMULTANEOUS_QUERIES, QUERY_WAS_CANCELLED
   */
  async take(principal: string, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw cancelled();
    if (this.#free > 0) {
      this.#free--;
      return this.#once();
    }
    if (this.#waiting >= this.#maxWaiting)
      throw new ClickHouseException(
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Too many simultaneous queries. ${this.#waiting} wait already`,
      );
    return await new Promise<() => void>((resolve, reject) => {
      const line = this.#lines.get(principal) ?? [];
      const mine = (free: () => void): void => {
        signal.removeEventListener('abort', leave);
        resolve(free);
      };
      const leave = (): void => {
        line.splice(line.indexOf(mine), 1);
        if (line.length === 0) this.#lines.delete(principal);
        this.#waiting--;
        reject(cancelled());
      };
      line.push(mine);
      this.#lines.set(principal, line);
      this.#waiting++;
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #once(): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#next();
    };
  }

  #next(): void {
    const [first] = this.#lines;
    if (first === undefined) {
      this.#free++;
      return;
    }
    const [principal, line] = first;
    const waiter = line.shift();
    this.#lines.delete(principal);
    if (line.length > 0) this.#lines.set(principal, line);
    this.#waiting--;
    waiter?.(this.#once());
  }
}

const cancelled = (): ClickHouseException =>
  new ClickHouseException('QUERY_WAS_CANCELLED', 'Query was cancelled');
