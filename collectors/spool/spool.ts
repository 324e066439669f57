import { messageOf, ToolmeterError } from '../../core/errors.ts';
import { type Home, machineId } from '../../core/home.ts';
import { type Log, silentLog } from '../../core/log.ts';
import { sleep } from '../../core/retry.ts';
import type { RawRecord } from '../../schemas/record.ts';
import { type Binding, bindingOf, type Destination, type Sender } from './destination.ts';
import { onExit } from './exit.ts';
import { adoptOrphans, type FolderOptions } from './folders.ts';
import { httpSender } from './http-sender.ts';
import { logSender } from './log-sender.ts';
import { type Draft, type Numbered, Numbering, type Rendered } from './numbering.ts';
import { openStore } from './open-store.ts';
import type { Outbox, OutboxStats, PendingCall } from './outbox.ts';
import { Pump } from './pump.ts';
import { type LaneRow, type NewStored, type SpoolStore, storedBytes } from './store.ts';

export interface OutboxOptions {
  readonly home: Pick<Home, 'spools' | 'collectorToken'>;
  readonly destination: Destination;
  /** `normal` survives SIGKILL, `full` power loss too. Default `normal`. */
  readonly durability?: 'normal' | 'full';
  /** Bytes that unsent events may take; beyond, the newest are dropped and counted. Default 256 MiB, in memory 16 MiB. */
  readonly maxBytes?: number;
  /** Longest time from a call's end to its commit while the process is not busy. Default 10. */
  readonly flushMs?: number;
  /** How long what is committed waits for company before it is published. Default 100. */
  readonly lingerMs?: number;
  /** Numberings side by side, each in a partition of its own. Default 1. */
  readonly lanes?: number;
  readonly log?: Log;
  /** This machine. A test may be two. */
  readonly machine?: string;
}

/** An outbox that also takes records which have their coordinates, or foreign ids, already. */
export interface ForwardingOutbox extends Outbox {
  /**
   * Puts records in as they are. Resolves when they are on disk.
   * @throws ToolmeterError TM_SPOOL_FULL, TM_SPOOL_DISK: nothing of the call is kept.
   */
  forward(records: readonly RawRecord[]): Promise<void>;
}

const MAX_BYTES = 256 * 1024 * 1024;
const MEMORY_MAX_BYTES = 16 * 1024 * 1024;
const FLUSH_MS = 10;
const LINGER_MS = 100;
/**
 * So many ended calls are committed in the next turn of the loop, before the timer; and no more of them at once, since
 * rendering so many holds a server's thread for 15 ms.
 */
const PRESSURE = 256;
/** And so many within this one: a process that only runs from promise to promise gets to no other. */
const NO_TURN = 2_048;
/** Calls that may wait for a spool that is not open yet, or whose disk refuses; and their bytes once rendered. */
const MAX_WAITING = 4_096;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Pause before a disk that failed is tried again. */
const DISK_PAUSE_MS = 500;
/** What a disk that failed is given at a time until it has taken all that waits: it may have room for a part. Bytes. */
const PIECE_BYTES = 256 * 1024;
/** While events are being dropped, the gap is told this often. */
const GAP_MS = 10_000;
const ALIVE_MS = 10 * 60_000;
/** How often spools that others left are looked for. */
const ADOPT_MS = 60_000;
const CLOSE_MS = 2_000;

/** An ended call on its way to the spool. */
interface Finished extends Rendered {
  readonly numbered: Numbered | undefined;
}

/**
 * The outbox over a spool. `begin` and `end` push into arrays; everything else happens at a flush, in one go:
 * rendering (hash, scrub, JSON), numbers, one transaction.
 */
export class Spool implements ForwardingOutbox {
  readonly #options: OutboxOptions;
  readonly #log: Log;
  readonly #binding: Binding;
  readonly #token: string;
  readonly #flushMs: number;
  readonly #open = new Map<PendingCall, Numbered>();
  #begun: PendingCall[] = [];
  #ended: PendingCall[] = [];
  /** Dropped when they ended: they may still stand in `#begun`, and are not dropped, or lost, a second time. */
  readonly #forgotten = new WeakSet<PendingCall>();
  /** Rendered, refused by the disk, tried again. */
  #held: Finished[] = [];
  #store: SpoolStore | null = null;
  #folder: FolderOptions | null = null;
  #numbering: Numbering | null = null;
  #pump: Pump | null = null;
  #maxBytes = 0;
  #adopting: Promise<void> | null = null;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  readonly #intervals: NodeJS.Timeout[] = [];
  #pressed = false;
  #diskRetryAtMs = 0;
  /** Not told of in the spool yet. */
  #untold = 0;
  #gapAtMs = Number.NEGATIVE_INFINITY;
  #dropped = 0;
  #closing: Promise<void> | null = null;
  readonly #opened: Promise<void>;
  readonly #forget: () => void;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#token =
      (options.destination.kind === 'http' ? options.destination.token : undefined) ??
      options.home.collectorToken;
    this.#binding = bindingOf(options.destination, this.#token);
    this.#flushMs = options.flushMs ?? FLUSH_MS;
    this.#opened = new Promise((resolve) => {
      setImmediate(() => {
        this.#openStore();
        resolve();
      });
    });
    this.#forget = onExit(() => this.#flushAtExit());
  }

  begin(call: PendingCall): void {
    if (this.#begun.length >= MAX_WAITING || this.#closing !== null) return;
    this.#begun.push(call);
    if (this.#timer === null) this.#schedule();
  }

  end(call: PendingCall): void {
    const isFull = this.#ended.length >= MAX_WAITING && !this.#open.has(call);
    if (isFull || this.#closing !== null) {
      this.#forgotten.add(call);
      this.#untold++;
      this.#dropped++;
      return;
    }
    this.#ended.push(call);
    if (this.#timer === null) this.#schedule();
    else if (this.#ended.length >= PRESSURE && !this.#pressed) this.#press();
    if (this.#ended.length === NO_TURN) queueMicrotask(() => this.#flush());
  }

  async flush(): Promise<void> {
    await this.#opened;
    this.#flush();
    while (this.#held.length > 0 && this.#closing === null) {
      await sleep(Math.max(1, this.#diskRetryAtMs - performance.now()));
      this.#flush();
    }
  }

  async forward(records: readonly RawRecord[]): Promise<void> {
    await this.#opened;
    const store = this.#store;
    if (store === null || this.#closing !== null)
      throw new ToolmeterError('TM_SPOOL_CLOSED', 'The spool is closed.', 'Send again.');
    const rows: NewStored[] = records.map((record) => ({ lane: null, record }));
    const bytes = records.reduce((sum, record) => sum + storedBytes(record), 0);
    if (store.size.bytes + bytes > this.#maxBytes)
      throw new ToolmeterError(
        'TM_SPOOL_FULL',
        `The spool holds ${store.size.bytes} bytes that could not be published yet.`,
        'Look at the log that it publishes to; send again later.',
      );
    if (!store.durable)
      throw new ToolmeterError(
        'TM_SPOOL_DISK',
        'There is no disk to spool to.',
        'Set TOOLMETER_HOME to a folder that this user may write; run on Node 22.13 or later.',
      );
    try {
      store.commit({ lanes: [], records: rows, journal: [], unjournal: [] });
    } catch (error) {
      throw new ToolmeterError(
        'TM_SPOOL_DISK',
        `The spool can't be written: ${messageOf(error)}.`,
        'Free some space on the disk; send again later.',
        { cause: error },
      );
    }
    this.#pump?.wake();
  }

  close(waitMs: number = CLOSE_MS): Promise<void> {
    this.#closing ??= this.#close(waitMs);
    return this.#closing;
  }

  stats(): OutboxStats {
    const ended = new Set(this.#ended);
    return {
      open:
        this.#begun.filter((call) => !ended.has(call)).length +
        [...this.#open.keys()].filter((call) => !ended.has(call)).length,
      buffered: this.#ended.length + this.#held.length,
      spooled: this.#store?.size.records ?? 0,
      published: this.#pump?.published ?? 0,
      dropped: this.#dropped + (this.#pump?.rejected ?? 0),
      durable: this.#store?.durable ?? false,
    };
  }

  #schedule(ms = this.#flushMs): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#flush(PRESSURE);
    }, ms);
    this.#timer.unref();
  }

  #press(): void {
    this.#pressed = true;
    setImmediate(() => {
      this.#pressed = false;
      this.#flush(PRESSURE);
    });
  }

  #openStore(): void {
    if (this.#store !== null) return;
    const { store, folder } = openStore({
      spools: this.#options.home.spools,
      machine: this.#options.machine ?? machineId(),
      binding: this.#binding,
      synchronous: this.#options.durability === 'full' ? 'FULL' : 'NORMAL',
      log: this.#log,
    });
    this.#store = store;
    this.#folder = folder;
    this.#maxBytes = this.#options.maxBytes ?? (store.durable ? MAX_BYTES : MEMORY_MAX_BYTES);
    const laneCount = this.#options.lanes ?? 1;
    this.#numbering = new Numbering(this.#binding, store.instance, laneCount, store.freeLaneIds(laneCount));
    this.#pump = new Pump({
      store,
      sender: this.#sender(),
      binding: this.#binding,
      log: this.#log,
      openEachBatch: this.#options.destination.kind === 'http',
      lingerMs: this.#options.lingerMs ?? LINGER_MS,
    });
    this.#pump.start();
    this.#intervals.push(
      setInterval(() => this.#sayAlive(), ALIVE_MS).unref(),
      setInterval(() => this.#adopt(), ADOPT_MS).unref(),
    );
    this.#adopt();
    this.#flush();
  }

  #sender(): Sender {
    const { destination } = this.#options;
    return destination.kind === 'http' ? httpSender(destination.url, this.#token) : logSender(destination);
  }

  #adopt(): void {
    if (this.#store === null || this.#folder === null || this.#adopting !== null) return;
    this.#adopting = adoptOrphans(this.#folder, this.#store, this.#maxBytes, this.#stop.signal)
      .then((moved) => {
        if (moved > 0) this.#pump?.wake();
      })
      .catch((error: unknown) => {
        this.#log.warn({ err: error }, "Other spools can't be taken over yet");
      })
      .finally(() => {
        this.#adopting = null;
      });
  }

  #sayAlive(): void {
    const numbering = this.#numbering;
    const lanes = numbering?.opened() ?? [];
    if (numbering === null || lanes.length === 0 || this.#closing !== null) return;
    const draft = numbering.draft();
    for (const lane of lanes) draft.alive(lane);
    this.#commit(draft);
  }

  /**
   * What has ended, and the journal of what is open, in one transaction: of each the oldest `most`; the rest follows
   * after others had their turn. Never throws.
   */
  #flush(most = Number.POSITIVE_INFINITY): void {
    const store = this.#store;
    const numbering = this.#numbering;
    if (store === null || numbering === null) return;
    const pauseMs = this.#diskRetryAtMs - performance.now();
    if (pauseMs > 0) {
      if (this.#timer === null) this.#schedule(pauseMs + 1);
      return;
    }

    const draft = numbering.draft();
    const ended = this.#ended;
    this.#ended = ended.splice(most);
    const begun = this.#unended(ended);
    this.#begun = begun.splice(most);
    if (this.#ended.length + this.#begun.length > 0 && this.#timer === null) this.#schedule(0);
    const finished = this.#held;
    const wasRefused = this.#diskRetryAtMs !== 0 || finished.length > 0;
    this.#held = [];
    let room = this.#maxBytes - store.size.bytes;
    if (wasRefused) room = Math.min(room, MAX_WAITING_BYTES) - bytesOf(finished);
    let dropped = 0;
    for (const call of ended) {
      const numbered = this.#open.get(call);
      if (numbered !== undefined) this.#open.delete(call);
      else if (room <= 0) {
        dropped++;
        continue;
      }
      const event = this.#render(call, store.durable);
      if (event === null) {
        // What is journalled is ended as lost by a later owner.
        if (numbered === undefined) dropped++;
        continue;
      }
      if (numbered === undefined) room -= event.value.length;
      finished.push({ ...event, numbered });
    }
    if (wasRefused) this.#makeRoom();
    const later = wasRefused ? finished.splice(fitting(finished, PIECE_BYTES)) : [];
    for (const event of finished) draft.event(event, event.numbered);

    const opened: [PendingCall, Numbered][] = [];
    if (wasRefused) this.#begun = [...begun, ...this.#begun];
    else
      for (const call of begun) {
        if (room <= 0) break;
        const event = this.#render(call, store.durable);
        if (event === null) continue;
        room -= event.value.length;
        opened.push([call, draft.open(event)]);
      }

    this.#dropped += dropped;
    this.#untold += dropped;
    const nowMs = performance.now();
    const tell = this.#untold > 0 && (dropped === 0 || nowMs - this.#gapAtMs >= GAP_MS);
    if (this.#untold > 0 && (tell || !draft.empty))
      draft.drop(numbering.lanes[0] as LaneRow, this.#untold, tell);
    if (draft.empty) return;
    if (!this.#commit(draft)) {
      this.#held = [...finished, ...later];
      this.#begun = [...opened.map(([call]) => call), ...this.#begun];
      return;
    }
    if (tell) this.#gapAtMs = nowMs;
    this.#untold = 0;
    for (const [call, numbered] of opened) this.#open.set(call, numbered);
    this.#held = later;
    if (later.length > 0 && this.#timer === null) this.#schedule();
  }

  /** Flushes for as long as the disk takes a piece more. */
  #flushToEnd(): void {
    for (let before = Number.POSITIVE_INFINITY; ; before = this.#held.length) {
      this.#diskRetryAtMs = 0;
      this.#flush();
      if (this.#held.length === 0 || this.#held.length >= before) return;
    }
  }

  /** The calls that have begun and are open, in order. */
  #unended(ended: readonly PendingCall[]): PendingCall[] {
    if (this.#begun.length === 0) return [];
    const gone = new Set([...ended, ...this.#ended]);
    return this.#begun.filter((call) => !gone.has(call) && !this.#forgotten.has(call));
  }

  #commit(draft: Draft): boolean {
    try {
      this.#store?.commit(draft.commit());
    } catch (error) {
      if (this.#diskRetryAtMs === 0)
        this.#log.warn(
          { code: 'TM_SPOOL_DISK', err: error },
          "The spool can't be written; it is tried again",
        );
      this.#diskRetryAtMs = performance.now() + DISK_PAUSE_MS;
      if (this.#timer === null) this.#schedule(DISK_PAUSE_MS + 1);
      return false;
    }
    if (this.#diskRetryAtMs !== 0) this.#log.info({}, 'The spool can be written again');
    this.#diskRetryAtMs = 0;
    draft.accept();
    this.#pump?.wake();
    return true;
  }

  /**
   * What little space there is goes to what is committed already: a write-ahead log that takes it all can never be
   * carried over into its file, which has to grow for that.
   */
  #makeRoom(): void {
    try {
      this.#store?.sync();
    } catch {
      // It is the disk that failed, and that was said.
    }
  }

  #render(call: PendingCall, durable: boolean): Rendered | null {
    try {
      const event = call.event();
      event.durable = durable;
      const traceparent = event.kind === 'call' ? event.trace?.traceparent : undefined;
      return { value: JSON.stringify(event), ...(traceparent !== undefined && { traceparent }) };
    } catch (error) {
      this.#log.error(
        { code: 'TM_SPOOL_RENDER', err: error },
        "A call's event could not be made; it is dropped",
      );
      return null;
    }
  }

  /** The last chance of a process that ends: what had ended is committed. */
  #flushAtExit(): void {
    if (this.#closing !== null || this.#begun.length + this.#ended.length + this.#held.length === 0) return;
    this.#openStore();
    this.#flushToEnd();
  }

  async #close(waitMs: number): Promise<void> {
    await this.#opened;
    // A call that is open now ends as lost.
    const begun = this.#begun.filter((call) => !this.#forgotten.has(call));
    this.#ended = [...new Set([...this.#ended, ...this.#open.keys(), ...begun])];
    this.#flushToEnd();
    this.#forget();
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const interval of this.#intervals) clearInterval(interval);
    const lost = this.#held;
    if (lost.length > 0) {
      this.#dropped += lost.length;
      this.#log.error(
        { code: 'TM_SPOOL_DISK', dropped: lost.length },
        'The spool could not be written up to its end; these events are lost',
      );
    }
    const numbering = this.#numbering;
    if (numbering !== null) {
      // What has its number stays in the journal: the next owner ends it as lost, and its lane.
      const journalled = lost.filter(({ numbered }) => numbered !== undefined).length;
      const draft = numbering.draft();
      this.#untold += lost.length - journalled;
      if (this.#untold > 0) draft.drop(numbering.lanes[0] as LaneRow, this.#untold, true);
      if (journalled === 0) for (const lane of numbering.opened()) draft.end(lane);
      if (!draft.empty) this.#commit(draft);
    }
    const deadline = performance.now() + waitMs;
    if (this.#adopting !== null) {
      const enough = new AbortController();
      await Promise.race([this.#adopting, sleep(waitMs, enough.signal)]);
      enough.abort();
    }
    this.#stop.abort();
    await this.#adopting;
    await this.#pump?.drain(Math.max(0, deadline - performance.now()));
    await this.#pump?.stop();
    this.#store?.close();
    this.#store = null;
  }
}

/** How many of the first events have at most so many bytes together; one at least. */
function fitting(events: readonly Rendered[], maxBytes: number): number {
  let bytes = 0;
  for (const [i, { value }] of events.entries()) {
    bytes += value.length;
    if (i > 0 && bytes > maxBytes) return i;
  }
  return events.length;
}

function bytesOf(events: readonly Rendered[]): number {
  return events.reduce((sum, { value }) => sum + value.length, 0);
}
