import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogDestination, PendingCall } from '../../../collectors/spool/index.ts';
import type { AppendResult, NewRecord } from '../../../eventlog/port.ts';
import type { CallEvent } from '../../../schemas/call-event.ts';
import { fromHeaders, type RawRecord } from '../../../schemas/record.ts';
import { observedCall } from '../../support/events.ts';

/** A folder for a test, and its removal. */
export function scratch(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'toolmeter-spool-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What an outbox needs of a home folder. */
export function homeIn(path: string): { spools: string; collectorToken: string } {
  const spools = join(path, 'spools');
  mkdirSync(spools, { recursive: true });
  return { spools, collectorToken: `tmc_test_${'0'.repeat(48)}` };
}

/** A call that reads as `lost` until it has ended. */
export class TestCall implements PendingCall {
  readonly id: string;
  outcome: 'lost' | 'ok' = 'lost';
  readonly #event: CallEvent;

  constructor(overrides: Parameters<typeof observedCall>[0] = {}) {
    this.#event = observedCall(overrides);
    this.id = this.#event.event_id;
  }

  event(): CallEvent {
    return { ...this.#event, outcome: this.outcome } as CallEvent;
  }
}

/** A log in memory that fails as told: before it takes a batch, or after (so that nobody knows). */
export class FakeLog {
  readonly records: RawRecord[] = [];
  readonly batches: RawRecord[][] = [];
  maxBytes = 1_000_000;

  take(records: readonly NewRecord[]): AppendResult[] {
    const batch: RawRecord[] = [];
    const results = records.map((record): AppendResult => {
      const value = Buffer.from(record.value ?? '');
      if (value.length > this.maxBytes) return { ok: false, code: 'TM_RECORD_TOO_LARGE' };
      const raw = fromHeaders(record.headers ?? {}, value);
      if ('problem' in raw) throw new Error(raw.problem);
      batch.push(raw);
      return { ok: true };
    });
    this.records.push(...batch);
    this.batches.push(batch);
    return results;
  }

  destination(
    append: LogDestination['append'] = async (records) => this.take(records),
    id = 'test',
  ): LogDestination {
    return { kind: 'log', id, append, schedule: async () => [{ fromMs: 0, partitions: 1 }] };
  }

  events(): { id: string; outcome: string; seq: number; durable: boolean }[] {
    return this.records
      .filter((record) => record.kind === 'event')
      .map((record) => {
        const event = JSON.parse(record.value.toString()) as CallEvent & { outcome: string };
        return {
          id: event.event_id,
          outcome: event.outcome,
          seq: record.at?.seq ?? 0,
          durable: event.durable,
        };
      });
  }

  kinds(): string[] {
    return this.records.map((record) => record.kind);
  }
}

/** Waits until `done`, for at most 10 s. */
export async function until(done: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
