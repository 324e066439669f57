import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { sleep } from '../../core/retry.ts';
import type { RawRecord } from '../../schemas/record.ts';
import type { Binding, Sender, SendResult } from './destination.ts';
import { controlRecord } from './numbering.ts';
import type { LaneRow, SpoolStore, StoredRecord } from './store.ts';
import { stripContent } from './strip.ts';

/** A batch: large enough that a post costs little beside its events, small enough that its removal takes < 5 ms. */
const BATCH_RECORDS = 500;
const BATCH_BYTES = 512 * 1024;
/** Longest wait for a sender's own end. */
const CLOSE_MS = 2_000;
const PAUSE_MS = 100;
const MAX_PAUSE_MS = 15_000;
/** A destination that stays away is mentioned this often. */
const REMIND_MS = 5 * 60_000;

export interface PumpOptions {
  readonly store: SpoolStore;
  readonly sender: Sender;
  readonly binding: Binding;
  readonly log: Log;
  /** Tells each batch's lanes that they are open, for an ingest behind which several paths lead to the log. */
  readonly openEachBatch: boolean;
  /** How long a batch waits for company after its first record. */
  readonly lingerMs: number;
}

/**
 * Publishes from a spool, in order, one batch at a time, and never gives up: what fails is sent again. None of it
 * keeps the process alive.
 */
export class Pump {
  readonly #options: PumpOptions;
  readonly #stop = new AbortController();
  readonly #unremoved: { first: number; last: number }[] = [];
  #announced = new Set<number>();
  #lanes = new Map<number, LaneRow>();
  #cursor = 0;
  #hurried = false;
  #wake: () => void = () => {};
  #failures = 0;
  #remindedAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | null = null;
  published = 0;
  /** Records that the destination will never take. */
  rejected = 0;

  constructor(options: PumpOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Something was committed. */
  wake(): void {
    this.#wake();
  }

  /**
   * Publishes without lingering. Resolves when the spool is empty, `waitMs` have passed, or, where the spool outlives
   * the process, a batch fails: an end is not delayed for a destination that isn't there.
   */
  async drain(waitMs: number): Promise<void> {
    this.#hurried = true;
    this.#wake();
    const deadline = performance.now() + waitMs;
    const failures = this.#failures;
    const { durable } = this.#options.store;
    const goesOn = (): boolean => (!durable || this.#failures <= failures) && !this.#stop.signal.aborted;
    while (this.#pending() && goesOn() && performance.now() < deadline) await sleep(5);
  }

  /** Ends the pump; a batch in flight is given up and stays in the spool. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
    await Promise.race([this.#options.sender.close(), sleep(CLOSE_MS, undefined, true)]);
  }

  #pending(): boolean {
    return this.#options.store.size.records > 0;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        if (await this.#step()) this.#recovered();
      } catch (error) {
        if (signal.aborted) return;
        await this.#failed(error);
      }
    }
  }

  /** Sends one batch, or waits for one. True where something was sent. */
  async #step(): Promise<boolean> {
    const { store } = this.#options;
    const page = store.read(this.#cursor, BATCH_RECORDS, BATCH_BYTES);
    if (page.length === 0) {
      this.#removeSent();
      await this.#idle();
      return false;
    }
    const results = await this.#send(page);
    const first = (page[0] as StoredRecord).id;
    const last = (page.at(-1) as StoredRecord).id;
    this.#cursor = last;
    this.published += results.filter((result) => result.kind === 'done').length;
    this.#unremoved.push({ first, last });
    try {
      this.#removeSent();
    } catch (error) {
      // A disk that refuses even a removal: what was sent is at least not sent again by this process.
      this.#options.log.warn({ err: error }, "Sent events can't be removed from the spool yet");
    }
    if (page.length < BATCH_RECORDS / 2 && !this.#hurried) await this.#pause(this.#options.lingerMs);
    return true;
  }

  #removeSent(): void {
    for (let range = this.#unremoved[0]; range !== undefined; range = this.#unremoved[0]) {
      this.#options.store.remove(range.first, range.last);
      this.#unremoved.shift();
    }
  }

  async #send(page: readonly StoredRecord[]): Promise<SendResult[]> {
    const { sender, log } = this.#options;
    const opens = this.#opens(page);
    const records = page.map(({ record }) => record);
    const { signal } = this.#stop;
    let results: SendResult[];
    try {
      results = (await this.#unlessStopped(sender.send([...opens, ...records], signal))).slice(opens.length);
      const large = results.flatMap((result, i) => (result.kind === 'too_large' ? [i] : []));
      if (large.length > 0) results = await this.#sendStripped(records, results, large, signal);
    } catch (error) {
      this.#announced.clear();
      throw error;
    }
    for (const [i, result] of results.entries()) {
      if (result.kind === 'done') continue;
      this.rejected++;
      const { code, message } =
        result.kind === 'rejected'
          ? result
          : { code: 'TM_RECORD_TOO_LARGE', message: 'too large without content' };
      log.error(
        { code, at: records[i]?.at },
        `The destination refuses an event for good: ${message}. Its number shows as missing.`,
      );
    }
    return results;
  }

  async #sendStripped(
    records: readonly RawRecord[],
    results: SendResult[],
    large: readonly number[],
    signal: AbortSignal,
  ): Promise<SendResult[]> {
    const again: { index: number; record: RawRecord }[] = [];
    for (const index of large) {
      const record = records[index] as RawRecord;
      const value = stripContent(record.value);
      if (value !== null) again.push({ index, record: { ...record, value, stripped: true } });
    }
    const mended = [...results];
    if (again.length === 0) return mended;
    const answers = await this.#unlessStopped(
      this.#options.sender.send(
        again.map(({ record }) => record),
        signal,
      ),
    );
    for (const [i, { index }] of again.entries()) mended[index] = answers[i] as SendResult;
    return mended;
  }

  /** A sender that doesn't heed its signal must not hold up the end. */
  #unlessStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stop;
    return new Promise((resolve, reject) => {
      const stopped = (): void => reject(new Error('the pump was stopped'));
      if (signal.aborted) stopped();
      signal.addEventListener('abort', stopped, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stopped));
    });
  }

  /** `open` for the lanes of a page that this pump has not named yet. */
  #opens(page: readonly StoredRecord[]): RawRecord[] {
    const { store, binding, openEachBatch } = this.#options;
    if (openEachBatch) this.#announced.clear();
    const opens: RawRecord[] = [];
    for (const { lane: id, record } of page) {
      if (id === null || this.#announced.has(id)) continue;
      this.#announced.add(id);
      if (record.kind === 'open') continue;
      if (!this.#lanes.has(id)) this.#lanes = new Map(store.lanes().map((lane) => [lane.id, lane]));
      const lane = this.#lanes.get(id);
      if (lane !== undefined) opens.push(controlRecord(binding, lane, 'open').record);
    }
    return opens;
  }

  async #idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#stop.signal.aborted || this.#options.store.read(this.#cursor, 1, 1).length > 0) resolve();
    });
    if (!this.#hurried) await this.#pause(this.#options.lingerMs);
  }

  /** An unref'd pause that `drain` and `stop` cut short. */
  async #pause(ms: number): Promise<void> {
    const cut = new AbortController();
    this.#wake = () => {
      if (this.#hurried || this.#stop.signal.aborted) cut.abort();
    };
    if (this.#stop.signal.aborted) return;
    await sleep(ms, cut.signal, true);
  }

  async #failed(error: unknown): Promise<void> {
    const { log } = this.#options;
    this.#failures++;
    const nowMs = performance.now();
    if (nowMs - this.#remindedAtMs > REMIND_MS) {
      this.#remindedAtMs = nowMs;
      const hint = error instanceof ToolmeterError ? error.hint : 'Events wait in the spool.';
      log.warn({ code: codeOf(error), failures: this.#failures, hint }, messageOf(error));
    }
    const ceiling = Math.min(MAX_PAUSE_MS, PAUSE_MS * 2 ** Math.min(this.#failures - 1, 20));
    await this.#pause(ceiling / 2 + (Math.random() * ceiling) / 2);
  }

  #recovered(): void {
    if (this.#failures === 0) return;
    this.#options.log.info({ failures: this.#failures }, 'Events are being published again');
    this.#failures = 0;
    this.#remindedAtMs = Number.NEGATIVE_INFINITY;
  }
}

function codeOf(error: unknown): string {
  return error instanceof ToolmeterError ? error.code : 'TM_SPOOL';
}
