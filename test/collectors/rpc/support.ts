import type { CaptureOptions } from '../../../collectors/capture.ts';
import type { RpcTracker, TrackerOptions } from '../../../collectors/rpc/tracker.ts';
import type { Outbox, PendingCall } from '../../../collectors/spool/outbox.ts';
import type { Scrubber } from '../../../processors/scrub/index.ts';
import type { ObservedCall } from '../../../schemas/call-event.ts';
import { checkCallEvent } from '../../../schemas/read-call-event.ts';

/** An outbox that keeps what it is given, and holds every event to the schema. */
export class KeptOutbox implements Outbox {
  readonly open = new Set<PendingCall>();
  readonly ended: PendingCall[] = [];

  begin(call: PendingCall): void {
    if (this.open.has(call)) throw new Error('begun twice');
    this.open.add(call);
  }
  end(call: PendingCall): void {
    if (this.ended.includes(call)) throw new Error('ended twice');
    this.open.delete(call);
    this.ended.push(call);
  }
  async flush(): Promise<void> {}
  async close(): Promise<void> {}
  stats() {
    return { open: this.open.size, buffered: 0, spooled: 0, published: 0, dropped: 0, durable: true };
  }
  /** The records so far, checked. */
  events(): ObservedCall[] {
    return this.ended.map(eventOf);
  }
  of(method: string): ObservedCall[] {
    return this.events().filter((event) => event.method === method);
  }
}

export function eventOf(call: PendingCall): ObservedCall {
  const event = call.event();
  const checked = checkCallEvent(JSON.parse(JSON.stringify(event)));
  if ('problem' in checked) throw new Error(`no valid event: ${checked.problem.message}`);
  return checked as ObservedCall;
}

/** Passes everything on, and finds the word `secret-word` so that tests can see that it was asked. */
export const wordScrubber: Scrubber = {
  version: 'test-1',
  kid: 'p1',
  json: scrubWord,
  plain: scrubWord,
};

function scrubWord(text: string) {
  const findings = [...text.matchAll(/secret-word/g)].map((match) => ({
    type: 'secret',
    start: match.index,
    end: match.index + 11,
    detector: 'test',
  }));
  return { text: text.replaceAll('secret-word', '<secret:abc>'), findings, media: { items: 0, bytes: 0 } };
}

export const brokenScrubber: Scrubber = {
  version: 'test-1',
  kid: 'p1',
  json: () => {
    throw new Error('broken');
  },
  plain: () => {
    throw new Error('broken');
  },
};

export const testCapture: CaptureOptions = {
  scrubber: wordScrubber,
  contentKey: { kid: 'c1', secret: Buffer.alloc(32, 7) },
  maxBytes: 64 * 1024,
};

export function trackerOptions(outbox: Outbox, more: Partial<TrackerOptions> = {}): TrackerOptions {
  return {
    outbox,
    capture: testCapture,
    vantage: 'server',
    transport: 'stdio',
    collector: { kind: 'stdio', version: '0.0.0' },
    ...more,
  };
}

/** Feeds one line as a wire: parsed, with its text. */
export function client(tracker: RpcTracker, line: string) {
  return tracker.fromClient(JSON.parse(line), line);
}
export function server(tracker: RpcTracker, line: string) {
  return tracker.fromServer(JSON.parse(line), line);
}
