import { createRequire } from 'node:module';

/** kafkajs' queue of the requests on one connection, as far as it is mended here. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests?(): void;
}

type QueueClass = { readonly prototype?: RequestQueue };

const NOT_THERE = new Set(['MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);

const mended = new WeakSet<QueueClass>();

/**
 * kafkajs 2.2.4 sets a timer after every answer, also where no request waits: then for the time until "throttled until
 * -1", which is a negative one. Node takes that as 1 ms (and from version 24 on warns, `TimeoutNegativeWarning`), and
 * when it is over the next one is set: a thousand wake-ups a second for each connection that was used, for ever
 * (https://github.com/tulios/kafkajs/blob/v2.2.4/src/network/requestQueue/index.js#L308): 73 ms of CPU a second for an
 * idle member with six partitions, 27 ms without. Here only a queue in which something waits sets the timer: whatever is
 * queued later sets it by itself. Beside a server any later kafkajs may be installed; one that has no such queue is left
 * as it is.
 */
export function mendRequestQueue(): void {
  const require = createRequire(import.meta.url);
  let queue: QueueClass;
  try {
    queue = require('kafkajs/src/network/requestQueue/index.js');
  } catch (error) {
    if (NOT_THERE.has((error as NodeJS.ErrnoException).code ?? '')) return;
    throw error;
  }
  const { prototype } = queue;
  const original = prototype?.scheduleCheckPendingRequests;
  if (prototype === undefined || original === undefined || mended.has(queue)) return;
  mended.add(queue);
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) original.call(this);
  };
}
