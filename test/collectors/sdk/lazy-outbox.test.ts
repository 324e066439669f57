import { expect, test } from 'vitest';
import { LazyOutbox } from '../../../collectors/sdk/lazy-outbox.ts';
import type { PendingCall } from '../../../collectors/spool/outbox.ts';
import { observedCall } from '../../support/events.ts';
import { KeptOutbox } from '../rpc/support.ts';

const unexpected = (error: unknown): void => {
  throw error;
};

const pending = (): PendingCall => {
  const event = observedCall();
  return { event: () => event };
};

test('nothing is opened before a call, and calls from before it is open are not lost', async () => {
  const inner = new KeptOutbox();
  let opened = 0;
  const outbox = new LazyOutbox(async () => {
    opened++;
    return inner;
  }, unexpected);
  expect(opened).toBe(0);
  const [first, second] = [pending(), pending()];
  outbox.begin(first);
  outbox.begin(second);
  outbox.end(first);
  expect(opened).toBe(0);
  expect(outbox.stats()).toMatchObject({ open: 1, buffered: 1, durable: false });
  await outbox.flush();
  expect(opened).toBe(1);
  expect(inner.ended).toEqual([first]);
  expect([...inner.open]).toEqual([second]);
  outbox.end(second);
  expect(inner.ended).toEqual([first, second]);
  expect(outbox.stats().durable).toBe(true);
});

test('an outbox that can’t be opened: told once a try, calls counted as dropped, tried again later', async () => {
  const inner = new KeptOutbox();
  const errors: unknown[] = [];
  let tries = 0;
  const outbox = new LazyOutbox(
    async () => {
      if (++tries === 1) throw new Error('read-only');
      return inner;
    },
    (error) => errors.push(error),
    30,
  );
  outbox.end(pending());
  await outbox.flush();
  expect(errors).toHaveLength(1);
  outbox.end(pending());
  await outbox.flush();
  expect(tries).toBe(1);
  expect(outbox.stats().dropped).toBe(2);
  await new Promise((resolve) => setTimeout(resolve, 40));
  const call = pending();
  outbox.end(call);
  await outbox.flush();
  expect(inner.ended).toEqual([call]);
  expect(outbox.stats().dropped).toBe(2);
});

test('calls that wait are bounded', async () => {
  const outbox = new LazyOutbox(() => new Promise(() => {}), unexpected);
  for (let i = 0; i < 10_050; i++) outbox.end(pending());
  expect(outbox.stats()).toMatchObject({ buffered: 10_000, dropped: 50 });
});
