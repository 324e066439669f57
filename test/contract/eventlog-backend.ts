import type { Log } from '../../core/log.ts';
import { openEmbeddedLog } from '../../eventlog/embedded/index.ts';
import { openKafkaLog } from '../../eventlog/kafka/index.ts';
import type { EventLog } from '../../eventlog/port.ts';
import type { OnSkipped } from '../../eventlog/skipped.ts';

/** Where a log is, in a form that a child process can be told. */
export type LogPlace = { kind: 'embedded'; path: string } | { kind: 'kafka'; brokers: string[] };

/** A frozen or killed member is given up this fast in tests. Milliseconds. */
export const MEMBER_TIMEOUT_MS = 2_000;

/** Opens a log with settings for tests. */
export function openLog(place: LogPlace, told: { log?: Log; onSkipped?: OnSkipped } = {}): Promise<EventLog> {
  if (place.kind === 'embedded')
    return openEmbeddedLog({ path: place.path, leaseMs: MEMBER_TIMEOUT_MS, sweepMs: 100, ...told });
  return openKafkaLog({
    brokers: place.brokers,
    clientId: 'toolmeter-test',
    sessionTimeoutMs: MEMBER_TIMEOUT_MS,
    ...told,
  });
}
