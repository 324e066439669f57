import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Purpose, RunningKafka } from './index.ts';

/** Settings of a broker for tests, whatever starts it. */
export function brokerSettings(listener: string, controller: string, advertised: string): string[] {
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@${controller}`,
    `listeners=PLAINTEXT://${listener},CONTROLLER://${controller}`,
    `advertised.listeners=PLAINTEXT://${advertised}`,
    'controller.listener.names=CONTROLLER',
    'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=4',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=4',
    'group.initial.rebalance.delay.ms=0',
    'group.min.session.timeout.ms=1000',
    'auto.create.topics.enable=false',
    // A broker that was killed may register again only when its session has run out (default 9 s).
    'broker.session.timeout.ms=1500',
    'broker.heartbeat.interval.ms=300',
    // Retention tests shouldn't wait the usual five minutes.
    'log.retention.check.interval.ms=1000',
    'log.initial.task.delay.ms=1000',
    'log.segment.delete.delay.ms=100',
  ];
}

/** A loopback port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const START_TIMEOUT_MS = 120_000;

/** A broker for tests shall be up soon; one for benchmarks shall be fast: without Java's second compiler it is not. */
const JVM = {
  test: ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  bench: ['-Xmx1g'],
} as const;

/** What a broker has beyond `brokerSettings`. */
export interface Extra {
  /** Lines of `server.properties`; of a repeated key the last counts. */
  readonly settings: readonly string[];
  /** Arguments of `kafka-storage format`. */
  readonly format: readonly string[];
}

/** Starts one broker (KRaft, a single node) from a folder of jars, its data under the temporary folder. */
export async function startProcess(
  jars: string,
  purpose: Purpose,
  extra?: (addresses: { plain: string; controller: string }) => Extra,
): Promise<RunningKafka> {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-kafka-'));
  const [port, controller] = [await freePort(), await freePort()];
  const plain = `127.0.0.1:${port}`;
  const { settings: lines = [], format = [] } =
    extra?.({ plain, controller: `127.0.0.1:${controller}` }) ?? {};
  const settings = join(folder, 'server.properties');
  writeFileSync(
    settings,
    [
      ...brokerSettings(plain, `127.0.0.1:${controller}`, plain),
      ...lines,
      `log.dirs=${join(folder, 'data')}`,
    ].join('\n'),
  );
  const classPath = ['-cp', `${jars}/*${delimiter}`];
  await promisify(execFile)('java', [
    '-Xmx128m',
    '-XX:TieredStopAtLevel=1',
    ...classPath,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    // Not one that begins with a dash, which would be taken for an option.
    `A${randomBytes(16).toString('base64url').slice(1)}`,
    '-c',
    settings,
    ...format,
  ]);

  let broker: ChildProcess | undefined;
  const end = async (): Promise<void> => {
    const child = broker;
    broker = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const start = async (): Promise<void> => {
    const child = spawn('java', [...JVM[purpose], ...classPath, 'kafka.Kafka', settings], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    broker = child;
    await started(child);
  };
  // A test process that ends early must leave no broker and no data behind.
  const onExit = (): void => {
    broker?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  const stop = async (): Promise<void> => {
    await end();
    process.removeListener('exit', onExit);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { brokers: [plain], own: true, kill: end, restart: start, stop };
}

/** Resolves when the broker says that it has started; rejects with its last words when it ends or takes too long. */
function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let tail = '';
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      child.removeListener('exit', onExit);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onExit = (): void => settle(new Error(`Kafka ended at its start:\n${tail}`));
    const timer = setTimeout(
      () => settle(new Error(`Kafka did not start in ${START_TIMEOUT_MS} ms:\n${tail}`)),
      START_TIMEOUT_MS,
    );
    const listen = (data: Buffer): void => {
      tail = (tail + data.toString()).slice(-4_000);
      if (tail.includes('Kafka Server started')) settle();
    };
    // Read on after the start too: a full pipe would stop the broker.
    child.stdout?.on('data', listen);
    child.stderr?.on('data', listen);
    child.once('exit', onExit);
  });
}
