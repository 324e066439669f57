import { expect, it } from 'vitest';
import { FairQueue } from '../../../store/server/queue.ts';

const never = new AbortController().signal;

it('places are handed out by turns of those who ask, not of what they ask', async () => {
  const queue = new FairQueue({ places: 1, maxWaiting: 10 });
  let free = await queue.take('a', never);
  const order: string[] = [];
  const waiting = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map(async (name) => {
    const done = await queue.take(name[0] as string, never);
    order.push(name);
    free = done;
  });
  for (let n = 0; n < waiting.length; n++) {
    free();
    // A second time changes nothing.
    free();
    await new Promise(setImmediate);
    expect(order).toHaveLength(n + 1);
  }
  await Promise.all(waiting);
  expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  free();
  (await queue.take('d', never))();
});

it('beyond its length it says so, and who gives up makes room', async () => {
  const queue = new FairQueue({ places: 1, maxWaiting: 2 });
  const free = await queue.take('a', never);
  const leaving = new AbortController();
  const left = queue.take('a', leaving.signal);
  const second = queue.take('a', never);
  await expect(queue.take('b', never)).rejects.toMatchObject({ code: 202, status: 503 });
  leaving.abort();
  await expect(left).rejects.toMatchObject({ code: 394 });
  const third = queue.take('b', never);
  await expect(queue.take('c', never)).rejects.toMatchObject({ code: 202 });
  free();
  (await second)();
  (await third)();
});

it('who has gone before the turn takes no place', async () => {
  const queue = new FairQueue({ places: 1, maxWaiting: 2 });
  const gone = new AbortController();
  gone.abort();
  const free = await queue.take('a', never);
  await expect(queue.take('a', gone.signal)).rejects.toMatchObject({ code: 394 });
  free();
  (await queue.take('a', never))();
});
