import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * The call inside whose handler the current code runs, as `tag()` and `meterClient` see it.
 * @internal
 */
export interface CallScope {
  tag(key: string, value: string): void;
  readonly callId: string | undefined;
  /** Of an HTTP exchange that is followed from outside: a transport asks whether the message is its to record. */
  take?(): boolean;
  /** Of the same: the call id that came with the request and was taken out of it. */
  readonly taken?: string | undefined;
}

/** One for the process, also where two copies of this package are loaded into it. */
const SLOT = Symbol.for('io.toolmeter/scope');
const slots = globalThis as { [SLOT]?: AsyncLocalStorage<CallScope> };

/** @internal */
export function callScope(): AsyncLocalStorage<CallScope> {
  slots[SLOT] ??= new AsyncLocalStorage<CallScope>();
  return slots[SLOT];
}

/**
 * Tags the call that is being handled, e.g. `tag('project', 'atlas')`; the tag `model` names the model. Inside a
 * metered server's handler and what it awaits; anywhere else it has no effect. Tags are labels to group by: they are
 * recorded as given, unlike content, which is scrubbed. Never throws.
 */
export function tag(key: string, value: string): void {
  slots[SLOT]?.getStore()?.tag(String(key), String(value));
}
