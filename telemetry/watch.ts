import type { Registry } from './metrics.ts';

/** What an outbox says of itself. */
interface OutboxNumbers {
  readonly open: number;
  readonly buffered: number;
  readonly spooled: number;
  readonly published: number;
  readonly dropped: number;
}

/** Keeps the numbers of one of this process' outboxes current. Returns how to stop; its counters stay. */
export function watchOutbox(registry: Registry, outbox: string, stats: () => OutboxNumbers): () => void {
  return registry.onCollect(() => {
    const { open, buffered, spooled, published, dropped } = stats();
    registry.set('toolmeter.outbox.calls.open', { outbox }, open);
    registry.set('toolmeter.outbox.records.buffered', { outbox }, buffered);
    registry.set('toolmeter.outbox.records.spooled', { outbox }, spooled);
    registry.total('toolmeter.outbox.records.published', { outbox }, published);
    registry.total('toolmeter.outbox.records.dropped', { outbox }, dropped);
  });
}

/** Keeps the count of a watched file's reloads, which its first load is not, current. Returns how to stop. */
export function watchReloads(
  registry: Registry,
  file: string,
  counts: () => { readonly loaded: number; readonly failed: number },
): () => void {
  return registry.onCollect(() => {
    const { loaded, failed } = counts();
    registry.total('toolmeter.config.reloads', { file, result: 'ok' }, loaded - 1);
    registry.total('toolmeter.config.reloads', { file, result: 'failed' }, failed);
  });
}
