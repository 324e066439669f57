import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Registry } from './metrics.ts';

/** Keeps the gauges of the process current in a registry. Returns how to stop. */
export function watchProcess(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  const stop = registry.onCollect(() => {
    registry.set('process.uptime', {}, process.uptime());
    registry.set('process.memory.usage', {}, process.memoryUsage.rss());
    registry.set('nodejs.eventloop.delay.max', {}, delay.max / 1e9);
    delay.reset();
  });
  return () => {
    stop();
    delay.disable();
  };
}
