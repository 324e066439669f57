/** One scripted session of a real client with a real server over stdio, and everything that went over the wire. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { type ObservedCall, ObservedCallSchema } from '../../schemas/call-event.ts';

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A client method and its parameters, or a pause in milliseconds. */
export type Step = readonly [method: ClientMethod, params?: unknown, options?: StepOptions] | number;

export interface StepOptions {
  /** Cancel after so many milliseconds. */
  readonly cancelAfterMs?: number;
  readonly progress?: boolean;
}

/** A step that calls a tool. */
export const tool = (name: string, args: object = {}, options: StepOptions = {}): Step => [
  'callTool',
  { name, arguments: args },
  options,
];

type ClientMethod =
  | 'ping'
  | 'listTools'
  | 'callTool'
  | 'listPrompts'
  | 'getPrompt'
  | 'listResources'
  | 'listResourceTemplates'
  | 'readResource'
  | 'subscribeResource'
  | 'unsubscribeResource'
  | 'complete'
  | 'setLoggingLevel';

export type Sdk = 'v1' | 'v2' | 'v2 auto';

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: unknown;
}

export interface Session {
  /** What the client sent, in order. */
  readonly sent: readonly Message[];
  /** The server's answers, by request id. */
  readonly answers: readonly Message[];
  /** What the server sent by itself, sorted: its order among the answers is the server's own affair. */
  readonly unasked: readonly Message[];
  /** Of each step, what the client's method gave or threw. */
  readonly results: readonly unknown[];
  readonly stderr: string;
}

interface AnyTransport {
  send(message: unknown, options?: unknown): Promise<void>;
  onmessage?: ((message: never, extra?: never) => void) | undefined;
  readonly stderr: NodeJS.ReadableStream | null;
}

const CAPABILITIES = { roots: {}, sampling: {}, elicitation: {} };
const SAMPLED = {
  model: 'stub',
  role: 'assistant' as const,
  content: { type: 'text' as const, text: 'sampled' },
};
const ELICITED = { action: 'decline' as const };
const ROOTS = { roots: [{ uri: 'file:///nowhere/toolmeter', name: 'nowhere' }] };

/** Plays the steps one after the other. */
export async function play(sdk: Sdk, server: ServerCommand, steps: readonly Step[]): Promise<Session> {
  const parameters = {
    command: server.command,
    args: [...server.args],
    env: { ...inheritedEnv(), ...server.env },
    stderr: 'pipe' as const,
  };
  const sent: Message[] = [];
  const received: Message[] = [];
  const client = sdk === 'v1' ? clientV1() : clientV2(sdk);
  const transport = (sdk === 'v1'
    ? new StdioV1(parameters)
    : new StdioV2(parameters)) as unknown as AnyTransport;
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    sent.push(message as Message);
    return send(message, options);
  };
  transport.onmessage = ((message: Message) => received.push(message)) as never;
  let stderr = '';
  transport.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  await client.connect(transport as never);
  const results: unknown[] = [];
  for (const step of steps) {
    if (typeof step === 'number') await new Promise((next) => setTimeout(next, step));
    else results.push(await take(client as unknown as AnyClient, sdk, step));
  }
  await client.close();
  return {
    sent,
    answers: received
      .filter((message) => message.method === undefined)
      .sort((a, b) => String(a.id).localeCompare(String(b.id), undefined, { numeric: true })),
    unasked: received
      .filter((message) => message.method !== undefined)
      .sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
    results,
    stderr,
  };
}

function clientV1(): ClientV1 {
  const client = new ClientV1({ name: 'session', version: '1.0.0' }, { capabilities: CAPABILITIES });
  client.setRequestHandler(CreateMessageRequestSchema, () => SAMPLED);
  client.setRequestHandler(ElicitRequestSchema, () => ELICITED);
  client.setRequestHandler(ListRootsRequestSchema, () => ROOTS);
  return client;
}

function clientV2(sdk: Sdk): ClientV2 {
  const client = new ClientV2(
    { name: 'session', version: '1.0.0' },
    {
      capabilities: CAPABILITIES,
      ...(sdk === 'v2 auto' && { versionNegotiation: { mode: 'auto' as const } }),
    },
  );
  client.setRequestHandler('sampling/createMessage', () => SAMPLED);
  client.setRequestHandler('elicitation/create', () => ELICITED);
  client.setRequestHandler('roots/list', () => ROOTS);
  return client;
}

type AnyClient = Record<ClientMethod, (...args: unknown[]) => Promise<unknown>>;

async function take(client: AnyClient, sdk: Sdk, step: Exclude<Step, number>): Promise<unknown> {
  const [method, params, { cancelAfterMs, progress } = {}] = step;
  const options = {
    ...(cancelAfterMs !== undefined && { signal: AbortSignal.timeout(cancelAfterMs) }),
    ...(progress === true && { onprogress: () => {} }),
  };
  const args = [
    ...(method === 'ping' ? [] : [params]),
    ...(method === 'callTool' && sdk === 'v1' ? [undefined] : []),
    options,
  ];
  try {
    return { result: await client[method](...args) };
  } catch (error) {
    return { error: cancelAfterMs === undefined ? String((error as Error).message) : 'cancelled' };
  }
}

/** What a client hands to a server by default, and nothing that names this run. */
function inheritedEnv(): Record<string, string> {
  const names = ['HOME', 'PATH', 'LANG', 'SystemRoot', 'TEMP', 'TMPDIR', 'USER', 'USERPROFILE'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

const WRAP_TO_FILE = resolve('test/collectors/stdio/wrap-to-file.ts');
let runs = 0;

/** The same server behind the wrapper, and what was recorded of it once the session is over. */
export function wrapped(
  server: ServerCommand,
  folder: string,
): { server: ServerCommand; calls(): ObservedCall[] } {
  const file = join(folder, `calls-${++runs}.ndjson`);
  return {
    server: {
      command: process.execPath,
      args: [WRAP_TO_FILE, '--', server.command, ...server.args],
      env: { ...server.env, TOOLMETER_HOME: join(folder, 'home'), RECORD_FILE: file },
    },
    calls: () =>
      (existsSync(file) ? readFileSync(file, 'utf8') : '')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => ObservedCallSchema.parse(JSON.parse(line))),
  };
}

/** A session with what differs between any two runs of the same server made equal: times and random ids. */
export function comparable(session: Session): Session {
  const text = JSON.stringify(session)
    .replaceAll(/"blob":"([A-Za-z0-9+/=]+)"/g, (_, blob: string) =>
      JSON.stringify({ blob: Buffer.from(blob, 'base64').toString('latin1') }).slice(1, -1),
    )
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, '<time>')
    .replaceAll(/\d{1,2}:\d\d:\d\d [AP]M/g, '<clock>')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>');
  return JSON.parse(text) as Session;
}
