import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ForwardingOutbox, openOutbox } from '../../../collectors/spool/index.ts';
import type { NewRecord } from '../../../eventlog/port.ts';
import { LaneStates } from '../../../processors/dedupe/index.ts';
import type { CallEvent } from '../../../schemas/call-event.ts';
import type { RawRecord } from '../../../schemas/record.ts';
import { FakeLog, homeIn, scratch, TestCall, until } from './support.ts';

/**
 * Spools on machines, a log, and a processor with dedupe, driven by random commands: calls that begin and end,
 * batches that get lost on the way or whose answer does, processes that are killed, disks that are copied to other
 * machines or put back, dead letters and replays, processors that crash before and after their transaction.
 *
 * Whatever happens: what was committed to a spool lands exactly once, and no number is missing in the end.
 */

/** How the way to the log behaves for one batch. */
const ROUTES = ['ok', 'lost', 'answer-lost', 'half', 'stale', 'twice'] as const;
type Route = (typeof ROUTES)[number];

const commands = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('call' as const), machine: fc.nat(3) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('begin' as const), machine: fc.nat(3) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('end' as const), machine: fc.nat(3), which: fc.nat(9) }),
    },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('flush' as const), machine: fc.nat(3) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('route' as const),
        machine: fc.nat(3),
        routes: fc.array(fc.constantFrom(...ROUTES), { minLength: 1, maxLength: 4 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('kill' as const), machine: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const), machine: fc.nat(3) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('clone' as const), machine: fc.nat(3), sameId: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const), machine: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restore' as const), machine: fc.nat(3) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('process' as const),
        crash: fc.constantFrom('no' as const, 'before' as const, 'after' as const),
        /** How many of the batch's events turn out to be no good. */
        poison: fc.nat(3),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('stale' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('replay' as const) }) },
  ),
  { minLength: 5, maxLength: 60 },
);
type Command = typeof commands extends fc.Arbitrary<(infer C)[]> ? C : never;

interface Machine {
  readonly id: string;
  disk: string;
  process: Process;
  snapshot: string | null;
}

interface Process {
  readonly outbox: ForwardingOutbox;
  alive: boolean;
  routes: Route[];
  readonly open: TestCall[];
  /** Ended, not known to be committed. */
  readonly ended: TestCall[];
}

class World {
  readonly log = new FakeLog();
  readonly machines: Machine[] = [];
  /** Calls that are committed: each must land once. */
  readonly committed = new Set<string>();
  readonly processor = new Processor(this.log);
  readonly #scratch = scratch();
  readonly #graveyard: ForwardingOutbox[] = [];
  /** Batches of pumps that went on sending after everybody had forgotten them. */
  #stale: NewRecord[][] = [];
  #disks = 0;

  constructor() {
    this.#boot('m0', this.#newDisk());
  }

  async run(command: Command): Promise<void> {
    if (command.kind === 'process') {
      await new Promise((resolve) => setTimeout(resolve, 3));
      return this.processor.step(command.crash, command.poison);
    }
    if (command.kind === 'replay') return this.processor.replay();
    if (command.kind === 'stale') return this.deliverStale();
    const machine = this.machines[command.machine % this.machines.length] as Machine;
    const { process } = machine;
    switch (command.kind) {
      case 'call': {
        const call = new TestCall();
        process.outbox.begin(call);
        return this.#end(process, call);
      }
      case 'begin': {
        const call = new TestCall();
        process.open.push(call);
        return process.outbox.begin(call);
      }
      case 'end': {
        const [call] = process.open.splice(command.which % Math.max(1, process.open.length), 1);
        return call && this.#end(process, call);
      }
      case 'flush':
        return this.#flush(process);
      case 'route':
        process.routes.push(...command.routes);
        return;
      case 'kill': {
        const disk = this.#copyDisk(machine.disk);
        this.#bury(process);
        machine.disk = disk;
        machine.process = this.#start(machine.id, disk);
        return;
      }
      case 'stop': {
        await this.#flush(process);
        for (const call of process.open) this.committed.add(call.id);
        await process.outbox.close(5);
        process.alive = false;
        machine.process = this.#start(machine.id, machine.disk);
        return;
      }
      case 'clone':
        if (this.machines.length < 4)
          this.#boot(command.sameId ? machine.id : `m${this.#disks}`, this.#copyDisk(machine.disk));
        return;
      case 'snapshot':
        machine.snapshot = this.#copyDisk(machine.disk);
        return;
      case 'restore': {
        if (machine.snapshot === null) return;
        // What only the overwritten disk knew would be gone in truth: let it be sent first.
        await this.settle(machine);
        this.#bury(machine.process);
        machine.disk = this.#copyDisk(machine.snapshot);
        machine.process = this.#start(machine.id, machine.disk);
      }
    }
  }

  /** Ends what is open on a machine, and lets its spool run empty. */
  async settle(machine: Machine): Promise<void> {
    const { process } = machine;
    process.routes.length = 0;
    for (const call of process.open.splice(0)) this.#end(process, call);
    await this.#flush(process);
    await until(() => process.outbox.stats().spooled === 0, 'an empty spool');
  }

  async finish(): Promise<void> {
    for (const machine of this.machines) {
      await this.settle(machine);
      await machine.process.outbox.close(5_000);
    }
    this.deliverStale();
    await this.processor.finish();
  }

  deliverStale(): void {
    for (const batch of this.#stale.splice(0)) this.log.take(batch);
  }

  async dispose(): Promise<void> {
    for (const outbox of this.#graveyard) await outbox.close(0);
    for (const { process } of this.machines) {
      process.alive = false;
      await process.outbox.close(0);
    }
    this.#scratch.remove();
  }

  #boot(id: string, disk: string): void {
    this.machines.push({ id, disk, process: this.#start(id, disk), snapshot: null });
  }

  #start(machine: string, disk: string): Process {
    const process: Omit<Process, 'outbox'> = { alive: true, routes: [], open: [], ended: [] };
    const append = async (records: readonly NewRecord[]) => {
      if (!process.alive) return new Promise<never>(() => {});
      const route = process.routes.shift() ?? 'ok';
      if (route === 'lost') throw new Error('the batch is lost');
      if (route === 'stale') {
        this.#stale.push([...records]);
        throw new Error('no answer yet');
      }
      if (route === 'half') {
        this.log.take(records.slice(0, Math.ceil(records.length / 2)));
        throw new Error('half of it arrived');
      }
      const results = this.log.take(records);
      if (route === 'twice') this.log.take(records);
      if (route === 'answer-lost') throw new Error('the answer is lost');
      return results;
    };
    const outbox = openOutbox({
      home: homeIn(disk),
      destination: this.log.destination(append),
      machine,
      flushMs: 1,
      lingerMs: 0,
    });
    return Object.assign(process, { outbox });
  }

  #end(process: Process, call: TestCall): void {
    call.outcome = 'ok';
    process.outbox.end(call);
    process.ended.push(call);
  }

  async #flush(process: Process): Promise<void> {
    await process.outbox.flush();
    for (const call of process.ended.splice(0)) this.committed.add(call.id);
  }

  /** A killed process does nothing any more; its disk was copied as it was. */
  #bury(process: Process): void {
    process.alive = false;
    this.#graveyard.push(process.outbox);
  }

  #newDisk(): string {
    const disk = join(this.#scratch.path, `disk${this.#disks++}`);
    mkdirSync(disk);
    return disk;
  }

  #copyDisk(disk: string): string {
    const copy = this.#newDisk();
    cpSync(disk, copy, { recursive: true });
    return copy;
  }
}

/** A processor whose transactions may fail before or after they took effect; then it begins anew from the state. */
class Processor {
  readonly landed: string[] = [];
  readonly deadLetters: RawRecord[] = [];
  readonly #log: FakeLog;
  readonly #state = new Map<string, Buffer>();
  #states = new LaneStates();
  #offset = 0;

  constructor(log: FakeLog) {
    this.#log = log;
  }

  step(crash: 'no' | 'before' | 'after', poison = 0): void {
    let bad = poison;
    const batch = this.#log.records.slice(this.#offset);
    const landed: string[] = [];
    const dead: RawRecord[] = [];
    for (const record of batch) {
      const verdict = this.#states.check(record, Date.now());
      if (verdict.kind === 'dead') dead.push(record);
      if (verdict.kind !== 'accept') continue;
      if (bad > 0) {
        bad--;
        this.#states.markDead(record);
        dead.push(record);
      } else {
        landed.push((JSON.parse(record.value.toString()) as CallEvent).event_id);
      }
    }
    this.#states.takeLedger();
    const changes = this.#states.takeDirty();
    if (crash === 'before') {
      this.#restart();
      return;
    }
    for (const { key, value } of changes)
      if (value === null) this.#state.delete(key);
      else this.#state.set(key, Buffer.from(value));
    this.#offset += batch.length;
    this.landed.push(...landed);
    this.deadLetters.push(...dead);
    if (crash === 'after') this.#restart();
  }

  /** Replays all dead letters, the first of them twice. */
  replay(): void {
    const letters = this.deadLetters.splice(0);
    for (const [i, record] of [...letters, ...letters.slice(0, 1)].entries())
      this.#log.records.push({ ...record, replayOf: String(i) });
  }

  finish(): void {
    this.step('no');
    while (this.deadLetters.length > 0) {
      this.replay();
      this.step('no');
    }
  }

  ledger() {
    return [...this.#states.completeness()];
  }

  #restart(): void {
    this.#states = new LaneStates();
    for (const [key, value] of this.#state) this.#states.load(key, value);
  }
}

test('what was committed lands exactly once, and no number is missing in the end', {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (list) => {
      const world = new World();
      try {
        for (const command of list) await world.run(command);
        await world.finish();
        const landed = new Map<string, number>();
        for (const id of world.processor.landed) landed.set(id, (landed.get(id) ?? 0) + 1);
        for (const [id, times] of landed) expect(times, `event ${id}`).toBe(1);
        for (const id of world.committed) expect(landed.has(id), `event ${id} of ${landed.size}`).toBe(true);
        for (const row of world.processor.ledger()) {
          expect(row.missing).toEqual([]);
          expect(row.landed).toBe(row.expected);
          expect(row.dead).toBe(0);
          expect(row.dropped).toBe(0);
        }
        const cloned = list.some(({ kind }) => kind === 'clone' || kind === 'restore');
        if (!cloned) for (const row of world.processor.ledger()) expect(row.verdict).toBe('complete');
      } finally {
        await world.dispose();
      }
    }),
    { numRuns: Number(process.env.TOOLMETER_MODEL_RUNS ?? 40) },
  );
});
