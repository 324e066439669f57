import type { Log } from '../core/log.ts';
import type { Topic } from '../schemas/topics.ts';

/** Who is told that a subscription failed and goes on: the caller, or the log where it did not ask to be. */
export type OnError = (error: unknown, partition: number | null) => void;

export function errorTeller(log: Log, group: string, topic: Topic, onError: OnError | undefined): OnError {
  return (
    onError ??
    ((error, partition) =>
      log.warn({ err: error, group, topic, partition }, 'Reading the log failed; it is tried again'))
  );
}
