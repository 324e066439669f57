import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { freePort, scratchFolder, startToolmeter, untilReady } from '../../support/toolmeter.ts';

/** Ends the named role's thread, without an error, as soon as the file is there. */
const ENDER = `
import { existsSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';
if (!isMainThread && workerData?.role === process.env.ENDER_ROLE) {
  const end = () => existsSync(process.env.ENDER_FILE) && process.exit(0);
  end();
  setInterval(end, 20).unref();
}
`;

test.each(['processor', 'store'])(
  'a %s thread that just ends is an error that ends toolmeter up',
  async (role) => {
    const home = scratchFolder();
    const port = await freePort();
    const ender = join(home.path, 'ender.mjs');
    const cue = join(home.path, 'cue');
    writeFileSync(ender, ENDER);
    const running = startToolmeter(['up'], {
      TOOLMETER_HOME: join(home.path, 'home'),
      TOOLMETER_API_PORT: String(port),
      NODE_OPTIONS: `--import ${pathToFileURL(ender)}`,
      ENDER_ROLE: role,
      ENDER_FILE: cue,
    });
    try {
      await untilReady(`http://127.0.0.1:${port}`, running);
      writeFileSync(cue, '');
      const [code] = await once(running.child, 'exit', { signal: AbortSignal.timeout(60_000) });
      expect(code).toBe(2);
      expect(running.output()).toContain(
        `toolmeter up: The ${role} thread ended by itself, with code 0. Its work goes on after a restart; nothing is lost. (TM_THREAD)`,
      );
    } finally {
      await running.kill();
      home.remove();
    }
  },
  120_000,
);

test('a thread that ends while it starts ends toolmeter up, too', async () => {
  const home = scratchFolder();
  const ender = join(home.path, 'ender.mjs');
  writeFileSync(ender, ENDER);
  const running = startToolmeter(['up'], {
    TOOLMETER_HOME: join(home.path, 'home'),
    TOOLMETER_API_PORT: '0',
    NODE_OPTIONS: `--import ${pathToFileURL(ender)}`,
    ENDER_ROLE: 'processor',
    ENDER_FILE: ender,
  });
  try {
    const [code] = await once(running.child, 'exit', { signal: AbortSignal.timeout(60_000) });
    expect(code).toBe(2);
    expect(running.output()).toContain('The processor thread ended by itself, with code 0.');
  } finally {
    await running.kill();
    home.remove();
  }
}, 120_000);
