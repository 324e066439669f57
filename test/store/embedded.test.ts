import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../core/log.ts';
import { openStore } from '../../store/client.ts';
import { TRANSIENT, UNREADABLE } from '../../store/errors.ts';
import { migrate } from '../../store/migrate.ts';
import { eventually, meteredCall, record, testLog } from '../support/calls-topic.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'toolmeter-embedded-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (path = join(folder, 'store')) => openStore({ database: 'toolmeter', path, log: silentLog });

describe('embedded store', () => {
  it('tells a second process who has the folder, and harms nothing', async () => {
    const log = await testLog(folder);
    const holder = spawn(
      process.execPath,
      [
        fileURLToPath(new URL('./sink-child.ts', import.meta.url)),
        join(folder, 'log.sqlite'),
        join(folder, 'store'),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(holder.stdout, 'data');
      const send = async (from: number): Promise<void> => {
        await log.append(Array.from({ length: 50 }, (_, n) => record(meteredCall(from + n))));
        await eventually(async () => {
          const { high, committed } = await log.watermarks('mcp.calls.v1', 0, 'toolmeter-sink');
          return committed === high;
        }, 'the holder stores what comes');
      };
      await send(0);
      for (let n = 0; n < 3; n++) {
        const error = (await open().catch((e: unknown) => e)) as {
          code: string;
          message: string;
          hint: string;
        };
        expect(error.code).toBe('TM_STORE_IN_USE');
        expect(error.message).toContain(`pid ${holder.pid}`);
        expect(error.hint).not.toBe('');
      }
      await send(50);
    } finally {
      const gone = once(holder, 'exit');
      holder.kill('SIGKILL');
      await gone;
      await log.close();
    }
    const store = await open();
    const client = await store.newClient();
    expect(await client.query('SELECT count() AS n, uniqExact(event_id) AS ids FROM calls')).toEqual([
      { n: '100', ids: '100' },
    ]);
    await store.close();
  });

  it('keeps its folder to its user, and opens again what it closed', async () => {
    const store = await open();
    expect(statSync(join(folder, 'store')).mode & 0o777).toBe(0o700);
    await migrate(await store.newClient(), silentLog);
    await store.close();
    const again = await open();
    const client = await again.newClient();
    expect(await client.query('SELECT count() AS n FROM calls')).toEqual([{ n: '0' }]);
    await again.close();
    await again.close();
  });

  it('says what is wrong with a folder that is none', async () => {
    writeFileSync(join(folder, 'file'), 'x');
    await expect(open(join(folder, 'file'))).rejects.toMatchObject({ code: 'TM_STORE_UNAVAILABLE' });
    await expect(openStore({ database: 'a; DROP', path: folder, log: silentLog })).rejects.toMatchObject({
      code: 'TM_STORE_CONFIG',
    });
    await expect(openStore({ database: 'toolmeter', log: silentLog })).rejects.toMatchObject({
      code: 'TM_STORE_CONFIG',
    });
  });

  it('clients do not wait for one another', async () => {
    const store = await open();
    const [slow, quick] = [await store.newClient(), await store.newClient()];
    let done = false;
    const slowly = slow.query('SELECT sleep(1.5) AS s').then(() => {
      done = true;
    });
    await quick.query('SELECT 1 AS one');
    expect(done).toBe(false);
    await slowly;
    await store.close();
  });

  it('knows ClickHouse’s errors by their right numbers', async () => {
    const store = await open();
    const client = await store.newClient();
    const known = { ...UNREADABLE, ...TRANSIENT };
    const codes = Object.keys(known).map(Number);
    const rows = await client.query<{ code: number; name: string }>(
      `SELECT arrayJoin([${codes.join(', ')}]) AS code, errorCodeToName(code) AS name`,
    );
    expect(Object.fromEntries(rows.map((row) => [row.code, row.name]))).toEqual(known);
    await store.close();
  });
});
