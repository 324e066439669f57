import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { gone, isRunning, type Running, scratch, start, WRAP } from './harness.ts';

const folder = scratch();
const started: Running[] = [];
afterAll(() => {
  for (const { process } of started) process.kill('SIGKILL');
  folder.remove();
});

/** No ingest listens there: recording must not depend on one. */
const env = { ...process.env, TOOLMETER_HOME: folder.home, TOOLMETER_URL: 'http://127.0.0.1:9' };

function wrap(args: string[], options: Parameters<typeof start>[2] = {}): Running {
  const running = start(process.execPath, [WRAP, ...args], { env, ...options });
  started.push(running);
  return running;
}

/** Runs a server's source under the wrapper. */
const serve = (source: string, options?: Parameters<typeof start>[2]): Running =>
  wrap(['--', process.execPath, folder.script(source)], options);

/** Standard error without what the wrapper says of itself: that the ingest is not there. */
const serversOwn = (text: string): string => text.replaceAll(/^toolmeter wrap: .*\n/gm, '');

const posix = test.skipIf(process.platform === 'win32');
const pidIn = (text: string): number => Number(/pid=(\d+)/.exec(text)?.[1]);

describe('what goes in', () => {
  test('the arguments arrive exactly as given', async () => {
    const args = [
      '',
      ' a  b ',
      '"q"',
      "it's",
      '$HOME',
      '*',
      'a\\b',
      '--',
      '--server',
      'é€😀',
      'two\nlines',
      '%PATH%',
    ];
    const run = wrap([
      '--server',
      'x',
      '--',
      process.execPath,
      folder.script('process.stdout.write(JSON.stringify(process.argv.slice(2)))'),
      ...args,
    ]);
    expect(await run.exit).toBe(0);
    expect(JSON.parse(run.out().toString())).toEqual(args);
  });

  test('the environment is the same, and names the nonce for a meter inside', async () => {
    const run = serve('process.stdout.write(JSON.stringify(process.env))');
    expect(await run.exit).toBe(0);
    const { TOOLMETER_WRAP_NONCE: nonce, ...rest } = JSON.parse(run.out().toString());
    expect(nonce).toMatch(/^[a-z0-9]+-[a-z0-9]+-[a-z0-9]{20,}\.[a-z0-9]+$/);
    expect(rest).toEqual(env);
  });

  test('any bytes pass both ways, in any chunks', async () => {
    const run = serve('process.stdin.pipe(process.stdout)');
    const sent: Buffer[] = [];
    for (let i = 0; i < 200; i++) {
      const chunk = randomBytes(1 + Math.floor(Math.random() ** 3 * 70_000));
      sent.push(chunk);
      run.process.stdin?.write(chunk);
      if (i % 20 === 0) await new Promise((next) => setTimeout(next, 5));
    }
    run.process.stdin?.end();
    expect(await run.exit).toBe(0);
    expect(run.out().equals(Buffer.concat(sent))).toBe(true);
  });

  test('a chunk is passed on before its line has ended', async () => {
    const run = serve('process.stdin.on("data", (d) => process.stdout.write("[" + d + "]"))');
    run.process.stdin?.write('{"half":');
    await run.until((out) => out === '[{"half":]');
    run.process.stdin?.write('"\u00e9'.slice(0, 1));
    await run.until((out) => out === '[{"half":]["]');
    run.process.stdin?.end();
    expect(await run.exit).toBe(0);
  });

  test('standard input and output may be files', async () => {
    const input = join(folder.path, 'in.bin');
    const output = join(folder.path, 'out.bin');
    writeFileSync(input, randomBytes(300_000));
    const fds = [openSync(input, 'r'), openSync(output, 'w'), openSync(join(folder.path, 'err'), 'w')];
    const run = serve('process.stdin.pipe(process.stdout)', { stdio: [fds[0]!, fds[1]!, fds[2]!] });
    expect(await run.exit).toBe(0);
    for (const fd of fds) closeSync(fd);
    expect(readFileSync(output).equals(readFileSync(input))).toBe(true);
  });
});

describe('large messages and back-pressure', () => {
  test('60 MB in one line pass both ways', async () => {
    const run = serve('process.stdin.pipe(process.stdout)');
    const message = Buffer.from(
      `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'x', params: { a: 'é'.repeat(30e6) } })}\n`,
    );
    run.process.stdin?.end(message);
    expect(await run.exit).toBe(0);
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(run.out().length).toBe(message.length);
    expect(hash(run.out())).toBe(hash(message));
  });

  test('a client that does not read stops the server, and nothing is kept in between', async () => {
    const run = serve(`
      const line = Buffer.alloc(65536, 120); line[65535] = 10;
      let sent = 0;
      const more = () => { while (sent < 600) { sent++; if (!process.stdout.write(line)) { process.stdout.once('drain', more); break; } }
        process.stderr.write('sent=' + sent + ';'); };
      more();`);
    run.process.stdout?.pause();
    await run.until((_, err) => err.includes('sent='));
    await new Promise((next) => setTimeout(next, 1000));
    const sent = Number([...run.err().matchAll(/sent=(\d+);/g)].at(-1)?.[1]);
    expect(sent).toBeLessThan(60);
    run.process.stdout?.resume();
    expect(await run.exit).toBe(0);
    expect(run.out().length).toBe(600 * 65536);
  });

  test('a server that does not read stops the client', async () => {
    const run = serve(`
      process.stderr.write('up');
      setTimeout(() => { let n = 0; process.stdin.on('data', (d) => { n += d.length; }).on('end', () => process.stdout.write(String(n))); }, 1500);`);
    await run.until((_, err) => err.includes('up'));
    const total = 40 * 1024 * 1024;
    run.process.stdin?.write(Buffer.alloc(total, 10));
    await new Promise((next) => setTimeout(next, 700));
    expect(run.process.stdin?.writableLength).toBeGreaterThan(0);
    run.process.stdin?.end();
    expect(await run.exit).toBe(0);
    expect(run.out().toString()).toBe(String(total));
  });
});

describe('standard error', () => {
  test('is passed on', async () => {
    const run = serve(
      'process.stderr.write("one\\n"); setTimeout(() => process.stderr.write("two é\\n"), 50)',
    );
    expect(await run.exit).toBe(0);
    expect(serversOwn(run.err())).toBe('one\ntwo é\n');
  });

  test('is drained when nobody reads it, and what was dropped is said', async () => {
    const run = serve(`
      import { writeSync } from 'node:fs';
      const line = 'x'.repeat(65535) + '\\n';
      for (let i = 0; i < 100; i++) { try { writeSync(2, line); } catch (e) { if (e.code !== 'EAGAIN') throw e; i--; } }
      process.stdout.write('done');
      process.stdin.on('data', () => process.stderr.write('bye\\n')).resume();`);
    run.process.stderr?.pause();
    await run.until((out) => out === 'done');
    run.process.stderr?.resume();
    await run.until((_, err) => err.length > 1_000_000);
    await new Promise((next) => setTimeout(next, 200));
    run.process.stdin?.end('more');
    expect(await run.exit).toBe(0);
    expect(run.err()).toMatch(/toolmeter wrap: \d+ bytes of standard error were dropped/);
    expect(serversOwn(run.err()).endsWith('bye\n')).toBe(true);
  });
});

describe('the end', () => {
  test.each([0, 1, 3, 255])('exit code %i is passed on', async (code) => {
    expect(await serve(`process.exit(${code})`).exit).toBe(code);
  });

  posix.each([
    ['SIGKILL', 137],
    ['SIGTERM', 143],
    ['SIGSEGV', 139],
  ] as const)('a death by %s is exit code %i', async (signal, code) => {
    expect(await serve(`process.kill(process.pid, '${signal}'); setTimeout(() => {}, 1e6)`).exit).toBe(code);
  });

  test('what can not be started is one sentence and 127, or 126', async () => {
    const missing = wrap(['--', 'toolmeter-no-such-command', 'x']);
    expect(await missing.exit).toBe(127);
    expect(missing.err()).toMatch(/^toolmeter wrap: "toolmeter-no-such-command" can't be started: .*\n$/);
    if (process.platform === 'win32') return;
    const denied = wrap(['--', folder.script('')]);
    expect(await denied.exit).toBe(126);
    expect(denied.err().split('\n')).toHaveLength(2);
  });

  test('the last answers are delivered when the client closes its side first', async () => {
    const run = serve(`
      let text = '';
      process.stdin.on('data', (d) => { text += d; }).on('end', () =>
        setTimeout(() => { process.stdout.write('late:' + text + 'y'.repeat(500000), () => process.exit(7)); }, 400));`);
    run.process.stdin?.end('question');
    expect(await run.exit).toBe(7);
    expect(run.out().toString()).toBe(`late:question${'y'.repeat(500_000)}`);
  });

  test('a server that stops reading and goes on is not cut off', async () => {
    const run = serve(`
      process.stdin.once('data', () => { process.stdin.destroy(); process.stdout.write('closed');
        setTimeout(() => { process.stdout.write(' and done'); process.exit(0); }, 800); });`);
    run.process.stdin?.write('a');
    await run.until((out) => out === 'closed');
    for (let i = 0; i < 5; i++) run.process.stdin?.write('b'.repeat(100_000));
    expect(await run.exit).toBe(0);
    expect(run.out().toString()).toBe('closed and done');
  });

  posix('signals reach the server, which decides', async () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) {
      const run = serve(`
        process.on('${signal}', () => process.stdout.write('got ${signal}', () => process.exit(42)));
        process.stdout.write('ready '); setTimeout(() => {}, 1e6);`);
      await run.until((out) => out === 'ready ');
      run.process.kill(signal);
      expect(await run.exit).toBe(42);
      expect(run.out().toString()).toBe(`ready got ${signal}`);
    }
  });

  posix('a signal that the server does not handle ends both', async () => {
    const run = serve(`process.stdout.write('ready'); setTimeout(() => {}, 1e6);`);
    await run.until((out) => out === 'ready');
    run.process.kill('SIGTERM');
    expect(await run.exit).toBe(143);
  });
});

/** A process that hears neither the end of its input nor a polite signal. */
const STUBBORN = `process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); setTimeout(() => {}, 1e6);
  process.stdout.write('pid=' + process.pid + ';');`;

describe.skipIf(process.platform === 'win32')('the process tree', () => {
  test('what the server left behind ends with it, also when it holds the output open', async () => {
    const left = folder.script('setTimeout(() => {}, 1e6)');
    const run = serve(`
      import { spawn } from 'node:child_process';
      const child = spawn(process.execPath, [${JSON.stringify(left)}], { stdio: 'inherit' });
      process.stdout.write('pid=' + child.pid + ';');
      setTimeout(() => process.exit(5), 300);`);
    await run.until((out) => out.includes(';'));
    const pid = pidIn(run.out().toString());
    expect(isRunning(pid)).toBe(true);
    expect(await run.exit).toBe(5);
    expect(isRunning(pid)).toBe(false);
  });

  test('it ends when the wrapper is killed', { timeout: 30_000 }, async () => {
    const left = folder.script(STUBBORN);
    const run = serve(`
      import { spawn } from 'node:child_process';
      spawn(process.execPath, [${JSON.stringify(left)}], { stdio: 'inherit' });
      process.on('SIGTERM', () => {}); setTimeout(() => {}, 1e6);
      process.stderr.write('pid=' + process.pid + ';');`);
    await run.until((out, err) => out.includes(';') && err.includes(';'));
    const pids = [pidIn(run.out().toString()), pidIn(run.err())];
    run.process.kill('SIGKILL');
    for (const pid of pids) await gone(pid, 10_000);
  });

  test('it ends when the client reads no more', { timeout: 30_000 }, async () => {
    const run = serve(`
      process.on('SIGPIPE', () => {}); process.stdout.on('error', () => {});
      process.stderr.write('pid=' + process.pid + ';');
      setInterval(() => process.stdout.write('x'), 50);`);
    await run.until((_, err) => err.includes(';'));
    run.process.stdout?.destroy();
    await run.exit;
    await gone(pidIn(run.err()), 1_000);
  });

  test('it ends when the parent vanishes and somebody else keeps the pipes', {
    timeout: 30_000,
  }, async () => {
    const server = folder.script(
      `process.stderr.write('pid=' + process.pid + ';'); setTimeout(() => {}, 1e6);`,
    );
    const launcher = folder.script(`
      import { spawn } from 'node:child_process';
      const wrap = spawn(process.execPath, [${JSON.stringify(WRAP)}, '--', process.execPath, ${JSON.stringify(server)}],
        { stdio: 'inherit' });
      process.stderr.write('wrap pid=' + wrap.pid + ';');
      setInterval(() => {}, 1e6);`);
    const run = start(process.execPath, [launcher], { env });
    started.push(run);
    await run.until((_, err) => [...err.matchAll(/pid=\d+;/g)].length === 2);
    const pids = [...run.err().matchAll(/pid=(\d+);/g)].map(([, pid]) => Number(pid));
    run.process.kill('SIGKILL');
    for (const pid of pids) await gone(pid, 15_000);
  });
});

describe('without metering', () => {
  test('TOOLMETER_DISABLED=1 is a plain run', async () => {
    const run = serve(
      'process.stdout.write(String(process.env.TOOLMETER_WRAP_NONCE)); process.stdin.pipe(process.stdout)',
      {
        env: { ...env, TOOLMETER_DISABLED: '1' },
      },
    );
    run.process.stdin?.end(' hello');
    expect(await run.exit).toBe(0);
    expect(run.out().toString()).toBe('undefined hello');
    expect(run.err()).toBe('');
  });

  test('a home that cannot be used is said once, and the server works', async () => {
    const file = join(folder.path, 'a-file');
    writeFileSync(file, '');
    const run = serve('process.stdin.pipe(process.stdout)', {
      env: { ...env, TOOLMETER_HOME: join(file, 'home') },
    });
    await run.until((_, err) => err.includes('\n'));
    run.process.stdin?.write('a\n');
    run.process.stdin?.end('b\n');
    expect(await run.exit).toBe(0);
    expect(run.out().toString()).toBe('a\nb\n');
    expect(run.err()).toMatch(/^toolmeter wrap: .*can't be used.*TOOLMETER_HOME.*\n$/);
  });
});
