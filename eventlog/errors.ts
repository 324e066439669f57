import { messageOf, ToolmeterError } from '../core/errors.ts';
import type { Topic } from '../schemas/topics.ts';

/** Another member owns the partition, or a write's outcome isn't known: only a new acquisition tells. */
export function partitionLost(
  group: string,
  topic: Topic,
  partition: number,
  why: string,
  cause?: unknown,
): ToolmeterError {
  return new ToolmeterError(
    'TM_PARTITION_LOST',
    `Partition ${partition} of ${topic} is no longer held by this member of ${group}: ${why}.`,
    'Stop working on it. It is acquired anew by itself where this member is still entitled to it.',
    { cause },
  );
}

/** The log doesn't answer; what was asked for may or may not have happened. */
export function logUnavailable(what: string, cause: unknown, hint: string): ToolmeterError {
  return new ToolmeterError('TM_LOG_UNAVAILABLE', `${what}: ${messageOf(cause)}.`, hint, { cause });
}

export function recordTooLarge(topic: Topic, sizeBytes: number, maxBytes: number): ToolmeterError {
  return new ToolmeterError(
    'TM_RECORD_TOO_LARGE',
    `A record of ${sizeBytes} bytes is over the ${maxBytes} bytes that ${topic} takes.`,
    'Send it again without its content.',
  );
}

/** The log has no such topic, or (with a number) the topic no such partition. */
export function topicUnknown(topic: string | null, partition?: number, cause?: unknown): ToolmeterError {
  const what = topic === null ? 'its topics yet' : `topic ${topic}`;
  return new ToolmeterError(
    'TM_TOPIC_UNKNOWN',
    partition === undefined ? `The log does not have ${what}.` : `${topic} has no partition ${partition}.`,
    'Start the processors (`toolmeter up` or `toolmeter process`) once: they create the topics.',
    { cause },
  );
}

export function logClosed(): ToolmeterError {
  return new ToolmeterError('TM_LOG_CLOSED', 'The log was closed.', 'Open it again.');
}

/** True for an error of ours with this code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof ToolmeterError && error.code === code;
}
