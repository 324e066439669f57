import { parentPort, Worker, workerData } from 'node:worker_threads';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import { openHome } from '../../core/home.ts';
import type { PartStatus } from '../../telemetry/health.ts';
import { makeLogger } from '../../telemetry/logger.ts';
import { registry, type Snapshot } from '../../telemetry/metrics.ts';
import { startTelemetry } from '../../telemetry/otel.ts';
import type { Settings } from '../settings.ts';
import type { Role, RoleName, StartRole } from './role.ts';

interface ThreadData {
  readonly role: RoleName;
  readonly settings: Settings;
  readonly homePath: string;
}

type FromThread =
  | { type: 'ready' }
  | { type: 'failed'; code: string; message: string; hint: string }
  | { type: 'status'; id: number; parts: PartStatus[]; metrics: Snapshot | null };
type ToThread = { type: 'status'; id: number } | { type: 'stop' };

/** Ceiling of a thread's heap, MiB: V8 lets garbage pile up to it. The processor holds tokenizers and lane state. */
const HEAP_MB: Record<RoleName, number> = { processor: 512, store: 128 };

/** A role in a thread of its own. `onExit` is told when the thread ends without having been asked to. */
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
  const waiting = new Map<number, (message: Extract<FromThread, { type: 'status' }>) => void>();
  let stopping = false;
  let nextId = 1;
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (message: FromThread) => {
      if (message.type === 'ready') resolve();
      else if (message.type === 'failed')
        reject(new ToolmeterError(message.code, message.message, message.hint));
      else waiting.get(message.id)?.(message);
    });
    worker.on('error', (error) => {
      const failure = new ToolmeterError(
        'TM_THREAD',
        `The ${role} thread failed: ${messageOf(error)}.`,
        'Its work goes on after a restart; nothing is lost.',
      );
      reject(failure);
      if (!stopping) onExit(failure);
    });
    worker.on('exit', () => {
      for (const answer of waiting.values())
        answer({
          type: 'status',
          id: 0,
          parts: [{ name: role, ok: false, detail: 'the thread has ended' }],
          metrics: null,
        });
    });
  });
  return {
    status: () =>
      new Promise((resolve) => {
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
      const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
      worker.postMessage({ type: 'stop' } satisfies ToThread);
      const timer = setTimeout(() => void worker.terminate(), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

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
      serviceName: `toolmeter-${data.role}`,
      log,
    });
    const role = await start({ settings: data.settings, home: openHome(data.homePath), log });
    port.on('message', async (message: ToThread) => {
      if (message.type === 'status') {
        send({ type: 'status', id: message.id, parts: await role.status(), metrics: registry.snapshot() });
        return;
      }
      await role.stop();
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
