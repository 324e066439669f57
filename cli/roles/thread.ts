import { parentPort, Worker, workerData } from 'node:worker_threads';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import { openHome } from '../../core/home.ts';
import type { PartStatus } from '../../telemetry/health.ts';
import { makeLogger } from '../../telemetry/logger.ts';
import { registry, type Snapshot } from '../../telemetry/metrics.ts';
import { startTelemetry } from '../../telemetry/otel.ts';
import { messagingSystem, type Settings } from '../settings.ts';
import type { Role, RoleName, StartRole } from './role.ts';

interface ThreadData {
  readonly role: RoleName;
  readonly settings: Settings;
  readonly homePath: string;
}

type FromThread =
  | { type: 'ready' }
  | { type: 'failed'; code: string; message: string; hint: string }
  | { type: 'metrics'; metrics: Snapshot }
  | { type: 'status'; id: number; parts: PartStatus[]; metrics: Snapshot | null };
type Status = Extract<FromThread, { type: 'status' }>;
type ToThread = { type: 'status'; id: number } | { type: 'stop' };

/** Numbers are pushed this often, so that an export that nobody scrapes beside has them. Milliseconds. */
const METRICS_MS = 10_000;

/** Ceiling of a thread's heap, MiB: V8 lets garbage pile up to it. The processor holds tokenizers and lane state. */
const HEAP_MB: Record<RoleName, number> = { processor: 512, store: 128 };

/**
 * A role in a thread of its own. `onExit` is told once when the thread ends without having been asked to, whether it
 * failed or just ended; while it starts, it is this that rejects.
 */
export async function startThread(
  role: RoleName,
  settings: Settings,
  homePath: string,
  onExit: (error: ToolmeterError) => void,
): Promise<Role> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./thread.${extension}`, import.meta.url), {
    workerData: { role, settings, homePath } satisfies ThreadData,
    name: `toolmeter-${role}`,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB[role], maxYoungGenerationSizeMb: 24 },
  });
  let isReady: () => void = () => {};
  let refuse: (error: ToolmeterError) => void = () => {};
  const ready = new Promise<void>((resolve, reject) => {
    isReady = resolve;
    refuse = reject;
  });
  const waiting = new Map<number, (answer: Status) => void>();
  let stopping = false;
  let ended = false;
  let nextId = 1;
  const ending = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      ended = true;
      resolve();
      for (const answer of waiting.values()) answer(gone(role));
      over(`ended by itself, with code ${code}`);
    });
  });
  /** Once: an error is followed by the exit. Before the thread was ready its start is what failed. */
  const over = (what: string): void => {
    const failure = new ToolmeterError(
      'TM_THREAD',
      `The ${role} thread ${what}.`,
      'Its work goes on after a restart; nothing is lost.',
    );
    refuse(failure);
    if (stopping) return;
    stopping = true;
    onExit(failure);
  };
  worker.on('error', (error) => over(`failed: ${messageOf(error)}`));
  worker.on('message', (message: FromThread) => {
    if (message.type === 'ready') isReady();
    else if (message.type === 'metrics') registry.absorb(role, message.metrics);
    else if (message.type === 'status') waiting.get(message.id)?.(message);
    else {
      stopping = true;
      refuse(new ToolmeterError(message.code, message.message, message.hint));
    }
  });
  await ready;
  return {
    status: () =>
      new Promise((resolve) => {
        if (ended) return resolve([...gone(role).parts]);
        const id = nextId++;
        const timer = setTimeout(() => {
          waiting.delete(id);
          resolve([{ name: role, ok: false, detail: 'the thread did not answer within 1 s' }]);
        }, 1000);
        waiting.set(id, ({ parts, metrics }) => {
          clearTimeout(timer);
          waiting.delete(id);
          if (metrics !== null) registry.absorb(role, metrics);
          resolve(parts);
        });
        worker.postMessage({ type: 'status', id } satisfies ToThread);
      }),
    stop: async () => {
      stopping = true;
      if (ended) return;
      worker.postMessage({ type: 'stop' } satisfies ToThread);
      const timer = setTimeout(() => void worker.terminate(), 10_000);
      await ending;
      clearTimeout(timer);
    },
  };
}

/** The answer of a thread that is no more. */
const gone = (role: RoleName): Status => ({
  type: 'status',
  id: 0,
  parts: [{ name: role, ok: false, detail: 'the thread has ended' }],
  metrics: null,
});

const START: Record<RoleName, () => Promise<StartRole>> = {
  processor: async () => (await import('./processor.ts')).startProcessor,
  store: async () => (await import('./store.ts')).startStore,
};

/** The thread's side. */
async function serve(data: ThreadData): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const send = (message: FromThread): void => port.postMessage(message);
  try {
    const start = await START[data.role]();
    const log = makeLogger({ level: data.settings.config.telemetry.level, name: data.role });
    // Spans only: this thread's numbers go out with the main thread's.
    const telemetry = await startTelemetry({
      endpoint: data.settings.config.telemetry.otlp_endpoint,
      messagingSystem: messagingSystem(data.settings.config),
      serviceName: `toolmeter-${data.role}`,
      log,
    });
    const role = await start({ settings: data.settings, home: openHome(data.homePath), log });
    const push = (): void => send({ type: 'metrics', metrics: registry.snapshot() });
    setInterval(push, METRICS_MS).unref();
    port.on('message', async (message: ToThread) => {
      if (message.type === 'status') {
        send({ type: 'status', id: message.id, parts: await role.status(), metrics: registry.snapshot() });
        return;
      }
      await role.stop();
      push();
      await telemetry?.shutdown();
      port.close();
    });
    send({ type: 'ready' });
  } catch (error) {
    const known = error instanceof ToolmeterError ? error : new ToolmeterError('TM_THREAD', messageOf(error));
    send({ type: 'failed', code: known.code, message: known.message, hint: known.hint });
    port.close();
  }
}

if (parentPort !== null && (workerData as ThreadData | undefined)?.role !== undefined)
  await serve(workerData as ThreadData);
