/** The public types of `toolmeter-sdk`. They import nothing that a user would have to install. */
import type { Log } from '../../core/log.ts';
import type { CaptureOptions } from '../capture.ts';
import type { Caller } from '../rpc/caller.ts';
import type { Implementation } from '../rpc/message.ts';
import type { Outbox } from '../spool/outbox.ts';

/** All optional: `meter(server)` is enough. */
export interface MeterOptions {
  /** The server's name in the record. Default: what the server declares of itself. */
  readonly server?: string | Implementation;
  /** Tags of every call, e.g. `{ team: 'search' }`. `tag()` in a handler overrides. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Who calls, where you know better than the transport. */
  readonly caller?: Caller;
  /** `meterClient`: the model on whose behalf calls are made. */
  readonly model?: string;
  /** Told of failures of ours, which the host never sees. */
  readonly log?: Log;
  /**
   * Where records go. Default: the process's shared spool.
   * @internal
   */
  readonly outbox?: Outbox;
  /**
   * Scrubber, hash key and size limit. Default: the home's keys, 64 KiB.
   * @internal
   */
  readonly capture?: CaptureOptions;
}

/** How metering is doing in this process. */
export interface MeterStats {
  /** Calls begun and not ended. */
  readonly open: number;
  /** Ended, not yet committed to the spool. */
  readonly buffered: number;
  /** Committed, not yet published. */
  readonly spooled: number;
  readonly published: number;
  readonly dropped: number;
  /** Whether the spool outlives this process. */
  readonly durable: boolean;
  /** Failures of ours that were kept from the host. */
  readonly failures: number;
}
