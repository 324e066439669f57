import { expect, test } from 'vitest';
import { Health } from '../../telemetry/health.ts';

test('ready when every part is; a check that rejects or hangs says so under its name', async () => {
  const health = new Health();
  expect(await health.readiness()).toEqual({ ok: true, parts: [] });
  health.add('log', () => ({ name: 'log', ok: true, detail: 'embedded' }));
  health.add('store', async () => {
    throw new Error('refused');
  });
  health.add('roles', () => [
    { name: 'processor', ok: true, detail: '' },
    { name: 'sink', ok: false, detail: 'no partition' },
  ]);
  expect(() => health.add('log', () => [])).toThrow(/already/);
  health.add('stuck', () => new Promise(() => undefined));
  const { ok, parts } = await health.readiness();
  expect(ok).toBe(false);
  expect(parts).toEqual([
    { name: 'log', ok: true, detail: 'embedded' },
    { name: 'store', ok: false, detail: 'refused' },
    { name: 'processor', ok: true, detail: '' },
    { name: 'sink', ok: false, detail: 'no partition' },
    { name: 'stuck', ok: false, detail: expect.stringContaining('no answer within') },
  ]);
  expect(health.liveness().ok).toBe(true);
});

test('what only a restart mends fails liveness, and readiness with it', async () => {
  const health = new Health();
  health.fail('processor', 'the thread has ended');
  expect(health.liveness()).toEqual({
    ok: false,
    parts: [{ name: 'processor', ok: false, detail: 'the thread has ended' }],
  });
  expect((await health.readiness()).ok).toBe(false);
});
