import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { decodeLine } from '../../../collectors/spool/wire.ts';
import { EVENTS_PATH, NDJSON } from '../../../collectors/spool/wire-client.ts';
import { LaneStates } from '../../../processors/dedupe/index.ts';
import type { CallEvent } from '../../../schemas/call-event.ts';
import type { RawRecord } from '../../../schemas/raw-record.ts';
import { homeIn, scratch } from './support.ts';

const folder = scratch();
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  folder.remove();
});

/** An ingest that keeps records in memory; every fifth batch is refused, every seventh taken without an answer. */
async function ingest(records: RawRecord[], way: { flaky: boolean }) {
  let batches = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const fits =
      request.url === EVENTS_PATH &&
      request.headers['content-type'] === NDJSON &&
      request.headers.authorization === `Bearer tmc_test_${'0'.repeat(48)}`;
    if (!fits) return response.writeHead(400).end();
    batches++;
    if (way.flaky && batches % 5 === 0) return response.writeHead(503).end();
    const lines = Buffer.concat(chunks).toString('utf8').trimEnd().split('\n');
    for (const line of lines) {
      const record = decodeLine(line, { collector: 'test', trusted: false });
      if ('problem' in record) return response.writeHead(400).end(record.problem);
      records.push(record);
    }
    if (way.flaky && batches % 7 === 0) return response.destroy();
    response.writeHead(202).end(JSON.stringify({ accepted: lines.length, rejected: [] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function start(url: string, calls: number): { child: ChildProcess; lines: string[]; gone: Promise<unknown> } {
  const script = fileURLToPath(new URL('child.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder.path, url, String(calls)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const lines: string[] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString('utf8')).split('\n');
    rest = parts.pop() as string;
    lines.push(...parts);
  });
  const gone = once(child, 'close').then(() => children.delete(child));
  return { child, lines, gone };
}

test('processes that share a home are killed at any moment: what they committed lands exactly once', async () => {
  const records: RawRecord[] = [];
  const way = { flaky: true };
  const { server, url } = await ingest(records, way);
  const committed: string[] = [];
  try {
    for (let round = 0; round < 4; round++) {
      const pair = [start(url, 100_000), start(url, 100_000)];
      for (const { child, lines, gone } of pair) {
        while (lines.length < 10) await new Promise((resolve) => setTimeout(resolve, 5));
        await new Promise((resolve) => setTimeout(resolve, (round * 37) % 90));
        child.kill('SIGKILL');
        await gone;
        committed.push(...lines);
      }
    }
    way.flaky = false;
    const last = start(url, 100);
    await last.gone;
    expect(last.lines.at(-1)).toMatch(/^closed \d+$/);
    committed.push(...last.lines.slice(0, -1));
  } finally {
    server.closeAllConnections();
    server.close();
  }

  const states = new LaneStates();
  const landed = new Map<string, number>();
  let lost = 0;
  for (const record of records) {
    const verdict = states.check(record, Date.now());
    expect(verdict.kind).not.toBe('dead');
    if (verdict.kind !== 'accept') continue;
    const event = JSON.parse(record.value.toString()) as CallEvent & { outcome: string };
    landed.set(event.event_id, (landed.get(event.event_id) ?? 0) + 1);
    if (event.outcome === 'lost') lost++;
  }
  expect(committed.length).toBeGreaterThan(180);
  expect(committed.filter((id) => !landed.has(id))).toEqual([]);
  expect([...landed.values()].filter((times) => times !== 1)).toEqual([]);
  // Each killed process had calls open, and its successor told of them.
  expect(lost).toBeGreaterThan(8);
  const ledger = [...states.completeness()];
  expect(ledger.length).toBe(9);
  expect(ledger.map(({ verdict, missing }) => ({ verdict, missing }))).toEqual(
    ledger.map(() => ({ verdict: 'complete', missing: [] })),
  );
  // The last process moved in with one folder and cleared the others.
  expect(readdirSync(homeIn(folder.path).spools)).toHaveLength(1);
});
