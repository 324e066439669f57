import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { kafkaJars } from '../../../scripts/kafka-jars.ts';
import { startContainer } from './container.ts';
import { startProcess } from './process.ts';

/** A broker that a test may use; where it is the test's own, it may also be killed. */
export interface RunningKafka {
  readonly brokers: string[];
  /** False where the broker is somebody else's (`KAFKA_BROKERS`): `kill` and `restart` then throw. */
  readonly own: boolean;
  /** Ends it without warning (SIGKILL); its data stay. */
  kill(): Promise<void>;
  /** Starts it again, on the same address and data, and waits until it answers. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** What a broker is started for. */
export type Purpose = 'test' | 'bench';

const run = promisify(execFile);

async function works(command: string, args: string[]): Promise<boolean> {
  try {
    await run(command, args, { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

/**
 * A real Kafka: `KAFKA_BROKERS` where given; else in a container where Docker answers; else Apache Kafka's jars
 * (`KAFKA_HOME`'s, or brought by Maven) with the machine's Java. Rejects, saying what was tried, where none works.
 */
export async function startKafka(purpose: Purpose = 'test'): Promise<RunningKafka> {
  const given = process.env.KAFKA_BROKERS;
  if (given) {
    const refuse = async (): Promise<never> => {
      throw new Error('the broker of KAFKA_BROKERS is not ours to kill');
    };
    return { brokers: given.split(','), own: false, kill: refuse, restart: refuse, stop: async () => {} };
  }
  if (await works('docker', ['info'])) return startContainer();
  if (!(await works('java', ['-version'])))
    throw new Error('KAFKA_BROKERS is not set, Docker does not answer, and there is no Java');
  return startProcess(await localJars(), purpose);
}

/** The folder of Apache Kafka's jars: `KAFKA_HOME`'s, or brought by Maven. */
export async function localJars(): Promise<string> {
  const unpacked = join(process.env.KAFKA_HOME ?? '', 'libs');
  return process.env.KAFKA_HOME && existsSync(unpacked) ? unpacked : kafkaJars();
}

/** `startKafka`, or another, for a suite: where there can be no Kafka, null and a loud line; an error in CI. */
export async function startKafkaOrSkip(): Promise<RunningKafka | null>;
export async function startKafkaOrSkip<T>(start: () => Promise<T>): Promise<T | null>;
export async function startKafkaOrSkip(start: () => Promise<unknown> = startKafka): Promise<unknown> {
  try {
    return await start();
  } catch (error) {
    if (process.env.CI) throw error;
    console.error(`\n!!! NOT TESTED ON KAFKA: ${error instanceof Error ? error.message : error}\n`);
    return null;
  }
}
