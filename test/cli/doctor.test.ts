import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { scratchFolder } from '../support/toolmeter.ts';
import { toolmeter } from './output.ts';

let folder: ReturnType<typeof scratchFolder>;
let home: string;
const servers: ReturnType<typeof createServer>[] = [];
beforeEach(() => {
  folder = scratchFolder();
  home = join(folder.path, 'home');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, 'close');
  }
  folder.remove();
});

/** Something that answers every request with this. */
async function answering(status: number, body: string): Promise<number> {
  const server = createServer((_request, response) => {
    response.writeHead(status, { connection: 'close' }).end(body);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function configured(port: number): string {
  const file = join(folder.path, 'toolmeter.yaml');
  writeFileSync(file, `api: { port: ${port} }\n`);
  return file;
}

async function doctor(port: number): Promise<{ status: number; lines: string[] }> {
  const { status, stdout } = await toolmeter('doctor', '--config', configured(port), '--home', home);
  return { status, lines: stdout.trimEnd().split('\n') };
}

const READY = JSON.stringify({ status: 'ready', not_ready: [], parts: [{ name: 'log', ok: true }] });

describe('doctor', () => {
  test('says that all is well, of the API that the configuration names', async () => {
    const { status, lines } = await doctor(await answering(200, READY));
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines.map((line) => line.split(/\s+/)[1])).toEqual([
      ...['node', 'interceptors', 'home', 'configuration', 'spools', 'api'],
    ]);
    expect(status).toBe(0);
  });

  test.each([
    [
      503,
      JSON.stringify({ status: 'not_ready', not_ready: ['log'], parts: [{ name: 'log', ok: false }] }),
      /is not ready: log$/,
    ],
    [
      503,
      JSON.stringify({
        status: 'not_ready',
        not_ready: ['log'],
        parts: [{ name: 'log', ok: false, detail: 'away' }],
      }),
      /is not ready: log: away$/,
    ],
    [200, '<html>', /answers, and is not Toolmeter$/],
    [200, '{"status":"ready"}', /answers, and is not Toolmeter$/],
  ])('%i %s', async (code, body, told) => {
    const { status, lines } = await doctor(await answering(code, body));
    expect(lines.at(-1)).toMatch(/^FAIL {2}api /);
    expect(lines.at(-1)).toMatch(told);
    expect(status).toBe(1);
  });

  test('nothing answers; metering is switched off; the home is a file', async () => {
    const port = await answering(200, READY);
    const [server] = servers.splice(0);
    server?.close();
    vi.stubEnv('TOOLMETER_DISABLED', '1');
    writeFileSync(home, '');
    const { status, lines } = await doctor(port);
    expect(status).toBe(1);
    for (const told of [
      /^FAIL {2}interceptors +TOOLMETER_DISABLED is set/,
      /^FAIL {2}home +The folder .* can't be used/,
      /^FAIL {2}spools /,
      /^FAIL {2}api .*does not answer: start it with "toolmeter up"/,
    ])
      expect(lines.some((line) => told.test(line))).toBe(true);
  });

  test('TOOLMETER_URL, where collectors post, comes before the configuration', async () => {
    vi.stubEnv('TOOLMETER_URL', `http://127.0.0.1:${await answering(200, READY)}`);
    expect((await doctor(1)).status).toBe(0);
  });
});
