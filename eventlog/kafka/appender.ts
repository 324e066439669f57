import type { Producer } from 'kafkajs';
import type { Log } from '../../core/log.ts';
import type { Topic } from '../../schemas/topics.ts';
import { logClosed } from '../errors.ts';
import type { AppendResult, NewRecord } from '../port.ts';
import { recordSizeBytes } from '../record-size.ts';
import { chunk } from './chunks.ts';
import type { KafkaClient } from './client.ts';
import { unavailable } from './errors.ts';
import { send } from './send.ts';

interface Call {
  readonly records: readonly NewRecord[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Records that are sent together, of as many callers as wait; more wait for the next turn. */
const MAX_TOGETHER = 20_000;

/**
 * Appends outside transactions, through one idempotent producer, one send at a time: what comes meanwhile goes
 * together in the next. A producer that failed is thrown away: after a failure kafkajs gives the same sequence numbers
 * to other records, and the broker, which may have the first ones, would drop these as duplicates.
 */
export class Appender {
  readonly #client: KafkaClient;
  readonly #limitOf: (topic: Topic) => number;
  readonly #log: Log;
  #producer: Producer | undefined;
  #queue: Call[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(client: KafkaClient, limitOf: (topic: Topic) => number, log: Log) {
    this.#client = client;
    this.#limitOf = limitOf;
    this.#log = log;
  }

  async append(records: readonly NewRecord[]): Promise<AppendResult[]> {
    if (this.#closed) throw logClosed();
    const accepted: NewRecord[] = [];
    const results = records.map((record): AppendResult => {
      if (recordSizeBytes(record) > this.#limitOf(record.topic))
        return { ok: false, code: 'TM_RECORD_TOO_LARGE' };
      accepted.push(record);
      return { ok: true };
    });
    if (accepted.length > 0)
      await new Promise<void>((resolve, reject) => {
        this.#queue.push({ records: accepted, resolve, reject });
        this.#running ??= this.#run();
      });
    return results;
  }

  /** Takes no more, waits for what was taken, disconnects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#discard();
  }

  async #run(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) await this.#send(this.#take());
    this.#running = undefined;
  }

  #take(): Call[] {
    let records = 0;
    let count = 0;
    for (const call of this.#queue) {
      records += call.records.length;
      if (count > 0 && records > MAX_TOGETHER) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #send(calls: readonly Call[]): Promise<void> {
    try {
      const producer = await this.#connected();
      const records = calls.flatMap((call) => call.records);
      for (const request of chunk(records, this.#limitOf))
        await send(producer, request, this.#client.compression);
      for (const call of calls) call.resolve();
    } catch (error) {
      const problem = unavailable('Kafka took no records', error);
      for (const call of calls) call.reject(problem);
      await this.#discard();
    }
  }

  async #connected(): Promise<Producer> {
    if (this.#producer === undefined) {
      this.#producer = this.#client.producer();
      await this.#producer.connect();
    }
    return this.#producer;
  }

  async #discard(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.disconnect().catch((error: unknown) => {
      this.#log.debug({ err: error }, 'A Kafka producer did not disconnect well');
    });
  }
}
