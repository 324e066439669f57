import { uuidv7 } from '../../core/ids.ts';
import type { RawRecord, RecordKind } from '../../schemas/record.ts';
import type { Binding } from './destination.ts';
import type { Commit, JournalRow, LaneRow, NewStored } from './store.ts';

/** A number given to a call. */
export interface Numbered {
  readonly lane: LaneRow;
  readonly seq: number;
}

/** An event's JSON text, and what its record's headers need of it. */
export interface Rendered {
  readonly value: string;
  readonly traceparent?: string;
}

/** A control record of a lane. */
export function controlRecord(
  binding: Binding,
  lane: LaneRow,
  kind: Exclude<RecordKind, 'event'>,
): NewStored {
  return {
    lane: lane.id,
    record: {
      kind,
      at: coordinates(binding, lane),
      trusted: binding.trusted,
      ...((kind === 'alive' || kind === 'end') && { last: lane.last }),
      ...(kind === 'gap' && { dropped: lane.dropped }),
      value: '',
    },
  };
}

function coordinates(binding: Binding, lane: LaneRow): NonNullable<RawRecord['at']> {
  return { collector: binding.collector, instance: lane.instance, epoch: lane.epoch, lane: lane.lane };
}

function eventRecord(binding: Binding, { lane, seq }: Numbered, event: Rendered): RawRecord {
  const { instance, epoch } = lane;
  return {
    kind: 'event',
    at: { collector: binding.collector, instance, epoch, lane: lane.lane, seq },
    trusted: binding.trusted,
    ...(event.traceparent !== undefined && { traceparent: event.traceparent }),
    value: event.value,
  };
}

/**
 * The numbering of one epoch: an epoch begins each time a spool is opened, so a number never means two things, also
 * where a folder was copied or put back from a snapshot. A number counts as given once its draft is accepted.
 */
export class Numbering {
  readonly binding: Binding;
  readonly lanes: readonly LaneRow[];
  readonly #opened = new Set<LaneRow>();
  #turn = 0;

  /** `firstLaneId`: the row of the first lane; the others follow. */
  constructor(binding: Binding, instance: string, laneCount: number, firstLaneId: number) {
    const epoch = uuidv7();
    this.binding = binding;
    this.lanes = Array.from({ length: laneCount }, (_, lane) => ({
      id: firstLaneId + lane,
      instance,
      epoch,
      lane,
      last: 0,
      dropped: 0,
      gapped: 0,
      ended: false,
    }));
  }

  draft(): Draft {
    return new Draft(
      this.binding,
      this.#opened,
      () => this.lanes[this.#turn++ % this.lanes.length] as LaneRow,
    );
  }

  /** Lanes that have their `open` in the spool. */
  opened(): LaneRow[] {
    return this.lanes.filter((lane) => this.#opened.has(lane));
  }
}

/** What one flush is going to commit. Nothing has changed until `accept`. */
export class Draft {
  readonly #binding: Binding;
  readonly #opened: Set<LaneRow>;
  readonly #pick: () => LaneRow;
  readonly #lanes = new Map<LaneRow, LaneRow>();
  readonly #records: NewStored[] = [];
  readonly #journal: JournalRow[] = [];
  readonly #unjournal: { lane: number; seq: number }[] = [];

  constructor(binding: Binding, opened: Set<LaneRow>, pick: () => LaneRow) {
    this.#binding = binding;
    this.#opened = opened;
    this.#pick = pick;
  }

  /** The event of a call that has ended, under the number that it has or the next one. */
  event(event: Rendered, numbered?: Numbered): void {
    const at = numbered ?? this.#next();
    if (numbered !== undefined) this.#unjournal.push({ lane: at.lane.id, seq: at.seq });
    this.#records.push({ lane: at.lane.id, record: eventRecord(this.#binding, at, event) });
  }

  /** A call that is open: it takes a number, under which `lost` waits in the journal. */
  open(lost: Rendered): Numbered {
    const at = this.#next();
    this.#journal.push({ lane: at.lane.id, seq: at.seq, record: eventRecord(this.#binding, at, lost) });
    return at;
  }

  /** Events that were dropped; told by a `gap` in this draft where `tell`. */
  drop(lane: LaneRow, count: number, tell: boolean): void {
    const row = this.#touch(lane);
    row.dropped += count;
    if (!tell || row.dropped === row.gapped) return;
    row.gapped = row.dropped;
    this.#records.push(controlRecord(this.#binding, row, 'gap'));
  }

  alive(lane: LaneRow): void {
    this.#records.push(controlRecord(this.#binding, this.#touch(lane), 'alive'));
  }

  end(lane: LaneRow): void {
    const row = this.#touch(lane);
    row.ended = true;
    this.#records.push(controlRecord(this.#binding, row, 'end'));
  }

  commit(): Commit {
    return {
      lanes: [...this.#lanes.values()],
      records: this.#records,
      journal: this.#journal,
      unjournal: this.#unjournal,
    };
  }

  get empty(): boolean {
    return this.#lanes.size === 0 && this.#records.length === 0;
  }

  /** The store has it. */
  accept(): void {
    for (const [lane, row] of this.#lanes) {
      Object.assign(lane, row);
      this.#opened.add(lane);
    }
  }

  #next(): Numbered {
    const lane = this.#pick();
    return { lane, seq: ++this.#touch(lane).last };
  }

  #touch(lane: LaneRow): LaneRow {
    let row = this.#lanes.get(lane);
    if (row === undefined) {
      row = { ...lane };
      this.#lanes.set(lane, row);
      if (!this.#opened.has(lane)) this.#records.push(controlRecord(this.#binding, row, 'open'));
    }
    return row;
  }
}

/**
 * What ends the lanes that an earlier owner of a spool left: its open calls become `lost` under their numbers, what it
 * dropped is told, and each lane gets its `end`. A folder that is a copy only sends what was finished: its first owner
 * may live on elsewhere, and end them otherwise.
 */
export function takeOver(
  binding: Binding,
  lanes: readonly LaneRow[],
  journal: readonly JournalRow[],
  isCopy: boolean,
): Commit {
  const records: NewStored[] = [];
  const open = lanes.filter((lane) => !lane.ended);
  for (const lane of isCopy ? [] : open) {
    for (const row of journal) if (row.lane === lane.id) records.push({ lane: lane.id, record: row.record });
    if (lane.dropped > lane.gapped) records.push(controlRecord(binding, lane, 'gap'));
    records.push(controlRecord(binding, lane, 'end'));
  }
  return {
    lanes: open.map((lane) => ({ ...lane, gapped: lane.dropped, ended: true })),
    records,
    journal: [],
    unjournal: journal.map(({ lane, seq }) => ({ lane, seq })),
  };
}
