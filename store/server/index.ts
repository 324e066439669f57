import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as breath } from 'node:timers/promises';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { compressBlocks, decompressBlocks } from './blocks.ts';
import { chooseCoding, pack, unpack } from './coding.ts';
import { checkDoor, checkKey, checkOrigin, type Door } from './door.ts';
import { type Answer, openEngine } from './engine.ts';
import { ClickHouseException, failureOf } from './exception.ts';
import { contentType, helloBlock, isHello } from './formats.ts';
import { forbiddenCalls, permit } from './policy.ts';
import { FairQueue } from './queue.ts';
import { type Asked, readRequest } from './request.ts';
import { type Bounds, settingsOf } from './settings.ts';
import { readStatement, type Statement } from './statement.ts';

export interface StoreServerOptions extends Bounds, Door {
  /** The embedded engine's folder. */
  readonly path: string;
  readonly port: number;
  readonly database: string;
  readonly readOnly: boolean;
  /** Largest body of one request, bytes, after decompression. */
  readonly maxBodyBytes: number;
  /** Statements that run at once, and that wait. */
  readonly places: number;
  readonly maxWaiting: number;
  readonly log: Log;
}

export interface StoreServer {
  readonly url: string;
  /** Takes nothing new, lets what runs end for `drainMs`, then cancels what still reads, and closes the engine. */
  close(drainMs?: number): Promise<void>;
}

/** Longest text of a statement, without an insert's rows: ClickHouse's `max_query_size`. */
const MAX_QUERY_BYTES = 262_144;
/** Bodies that are held at once, in multiples of the largest one. */
const BODIES_HELD = 4;

/**
 * ClickHouse's HTTP interface in front of the embedded engine.
 * @throws StoreError TM_STORE_IN_USE, TM_STORE_UNAVAILABLE
 * @throws ToolmeterError TM_STORE_CONFIG, TM_LISTEN
 */
export async function startStoreServer(options: StoreServerOptions): Promise<StoreServer> {
  checkDoor(options);
  const engine = await openEngine(options.path, `${options.path}.rows`);
  const queue = new FairQueue(options);
  const forbidden = forbiddenCalls(engine.tableFunctions);
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  let heldBytes = 0;
  let closing = false;

  const statementOf = async (
    request: IncomingMessage,
    asked: Asked,
  ): Promise<{ statement: Statement; rows: Buffer }> => {
    const raw = await readBody(request);
    const uncoded = await unpack(request.headers['content-encoding'] ?? '', raw, options.maxBodyBytes);
    const body = asked.decompress
      ? await unhurried(decompressBlocks(uncoded, options.maxBodyBytes))
      : uncoded;
    return divide(asked.query, body);
  };

  const readBody = async (request: IncomingMessage): Promise<Buffer> => {
    if (/^multipart\//i.test(request.headers['content-type'] ?? ''))
      throw new ClickHouseException(
        'NOT_IMPLEMENTED',
        'External tables (multipart bodies) are not supported',
      );
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.length;
        heldBytes += chunk.length;
        if (size > options.maxBodyBytes)
          throw new ClickHouseException(
            'TOO_LARGE_SIZE',
            `The body is over ${options.maxBodyBytes} bytes`,
            413,
          );
        if (heldBytes > BODIES_HELD * options.maxBodyBytes)
          throw new ClickHouseException('TOO_MANY_SIMULTANEOUS_QUERIES', 'Too many large bodies at once');
        chunks.push(chunk);
      }
      return Buffer.concat(chunks, size);
    } finally {
      heldBytes -= size;
    }
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    response.setHeader('X-ClickHouse-Server-Display-Name', 'toolmeter');
    response.setHeader('X-ClickHouse-Timezone', engine.timezone);
    checkOrigin(request.headers, options);
    // A connection that is kept alive can bring more.
    if (closing) throw new ClickHouseException('ABORTED', 'Server is shutting down');
    if (url.pathname === '/ping' || url.pathname === '/replicas_status') return void response.end('Ok.\n');
    if (url.pathname !== '/') return void response.writeHead(404).end(`There is no handle ${url.pathname}\n`);
    if (request.method !== 'GET' && request.method !== 'POST')
      return void response.writeHead(405, { Allow: 'GET, POST' }).end();
    if (request.method === 'GET' && !url.searchParams.has('query')) return void response.end('Ok.\n');
    const asked = readRequest(url, request.headers, options.database);
    response.setHeader('X-ClickHouse-Query-Id', asked.queryId);
    checkKey(asked, options);
    const { statement, rows } = await statementOf(request, asked);
    const readOnly = options.readOnly || request.method === 'GET';
    permit(statement, { readOnly: options.readOnly, forbidden });
    if (readOnly && asked.database.toLowerCase() === 'system')
      throw new ClickHouseException(
        'ACCESS_DENIED',
        'Not enough privileges. The database system is not open here',
      );
    const settings = settingsOf(asked.settings, options);
    const cut = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) cut.abort();
    });
    const signal = AbortSignal.any([cut.signal, stopping.signal]);
    if (asked.speaksRevision && isHello(statement))
      return await send(response, request, asked, {
        format: 'Native',
        ...emptyAnswer,
        body: helloBlock('toolmeter', engine),
      });
    const free = await queue.take(principalOf(asked, request), signal);
    try {
      const { database, format, params } = asked;
      const result = await engine.run({
        statement,
        database,
        settings,
        params,
        format,
        readOnly,
        rows,
        signal,
      });
      const used = (statement.kind === 'query' ? statement.format : null) ?? format;
      await send(response, request, asked, { ...result, format: used, wrote: statement.kind === 'insert' });
    } finally {
      free();
    }
  };

  const server = createServer({ requestTimeout: 120_000, headersTimeout: 30_000 }, (request, response) => {
    const work = answer(request, response).catch((error: unknown) => {
      const { code, status, body } = failureOf(error);
      if (!(error instanceof ClickHouseException)) options.log.debug({ code }, 'a statement failed');
      if (response.headersSent) return void response.destroy();
      response.setHeader('X-ClickHouse-Exception-Code', String(code));
      response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
      // What is left of a body that was refused is not read.
      if (!request.complete || closing) response.setHeader('Connection', 'close');
      if (status === 401) response.setHeader('WWW-Authenticate', 'Basic realm="ClickHouse server HTTP API"');
      response.writeHead(status).end(`${body}\n`);
    });
    running.add(work);
    void work.finally(() => running.delete(work));
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, options.host, resolve);
    });
  } catch (error) {
    await engine.close();
    throw new ToolmeterError(
      'TM_LISTEN',
      `The ClickHouse endpoint can't listen on ${options.host}:${options.port}: ${messageOf(error)}.`,
      'Choose another port.',
    );
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    async close(drainMs = 10_000) {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => stopping.abort(), drainMs);
      await Promise.all(running);
      clearTimeout(timer);
      server.closeAllConnections();
      await closed;
      await engine.close();
    },
  };
}

const emptyAnswer: Answer & { wrote: boolean } = {
  body: Buffer.alloc(0),
  rows: 0,
  bytes: 0,
  elapsedS: 0,
  wrote: false,
};

/** Who takes turns: the user, or without users the address. */
const principalOf = (asked: Asked, request: IncomingMessage): string =>
  `${asked.user} ${request.socket.remoteAddress ?? ''} ${request.socket.remotePort ?? 0}`;

/** The statement (the URL's text, the body after it), and an insert's rows. @throws ClickHouseException */
function divide(query: string, body: Buffer): { statement: Statement; rows: Buffer } {
  if (query !== '') {
    const statement = readStatement(query.slice(0, MAX_QUERY_BYTES));
    if (statement.kind === 'insert')
      return { statement, rows: Buffer.concat([Buffer.from(query.slice(statement.dataAt)), body]) };
  }
  const whole = query === '' ? body : Buffer.concat([Buffer.from(query), body]);
  const head = whole.subarray(0, MAX_QUERY_BYTES).toString();
  const statement = readStatement(head);
  if (statement.kind === 'insert')
    return { statement, rows: whole.subarray(Buffer.byteLength(head.slice(0, statement.dataAt))) };
  if (whole.length > MAX_QUERY_BYTES)
    throw new ClickHouseException('SYNTAX_ERROR', `Max query size exceeded: ${MAX_QUERY_BYTES} bytes`);
  return { statement, rows: Buffer.alloc(0) };
}

async function send(
  response: ServerResponse,
  request: IncomingMessage,
  asked: Asked,
  result: Answer & { readonly format: string; readonly wrote: boolean },
): Promise<void> {
  const { rows, bytes, wrote } = result;
  const summary = {
    read_rows: rows,
    read_bytes: bytes,
    written_rows: wrote ? rows : 0,
    written_bytes: wrote ? bytes : 0,
    total_rows_to_read: 0,
    result_rows: wrote ? 0 : rows,
    result_bytes: result.body.length,
    elapsed_ns: Math.round(result.elapsedS * 1e9),
  };
  response.setHeader(
    'X-ClickHouse-Summary',
    JSON.stringify(Object.fromEntries(Object.entries(summary).map(([name, value]) => [name, String(value)]))),
  );
  response.setHeader('X-ClickHouse-Format', result.format);
  response.setHeader('Content-Type', contentType(result.format));
  if (asked.compress) {
    for (const block of compressBlocks(result.body)) {
      if (!response.write(block)) await drained(response);
      await breath();
    }
    return void response.end();
  }
  const coding = asked.httpCompression ? chooseCoding(request.headers['accept-encoding'] ?? '') : null;
  if (coding !== null) response.setHeader('Content-Encoding', coding);
  const body = coding === null ? result.body : await pack(coding, result.body);
  response.setHeader('Content-Length', body.length);
  response.end(body);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go);
      response.off('close', go);
      resolve();
    };
    response.on('drain', go);
    response.on('close', go);
  });
}

/** All blocks as one; other requests have their turn between two. */
async function unhurried(blocks: Iterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const block of blocks) {
    parts.push(block);
    await breath();
  }
  return Buffer.concat(parts);
}
