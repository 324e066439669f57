/** Both SDKs behind one shape, so that the same tests run on each. */
import { Client as ClientV2, InMemoryTransport as MemoryV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { McpServer as McpServerV2 } from '@modelcontextprotocol/server';
import { z } from 'zod';

export interface Result {
  readonly content?: unknown;
  readonly isError?: unknown;
}

/** What the tests need of a server: the SDK's own object, and tools with handlers. */
export interface TestServer {
  readonly raw: { connect(transport: never): Promise<void>; close(): Promise<void> };
  tool(name: string, handler: (args: { text: string }, extra: unknown) => unknown): void;
}

export interface TestClient {
  readonly raw: object;
  connect(transport: unknown): Promise<void>;
  call(
    name: string,
    args: Record<string, unknown>,
    options?: { signal?: AbortSignal; timeout?: number },
  ): Promise<Result>;
  list(): Promise<{ tools: { name: string }[] }>;
  close(): Promise<void>;
}

export interface Sdk {
  readonly name: string;
  server(): TestServer;
  client(): TestClient;
  link(): [client: unknown, server: unknown];
}

type Text = { content: { type: 'text'; text: string }[] };
export const textResult = (text: string): Text => ({ content: [{ type: 'text', text }] });

const inputSchema = z.object({ text: z.string() });

export const sdks: Sdk[] = [
  {
    name: 'v1',
    server: () => {
      const raw = new McpServerV1({ name: 'test-server', version: '1.2.3' });
      return {
        raw: raw as never,
        tool: (name, handler) => {
          raw.registerTool(name, { inputSchema: inputSchema.shape as never }, handler as never);
        },
      };
    },
    client: () => wrap(new ClientV1({ name: 'test-client', version: '4.5.6' }) as never, true),
    link: () => MemoryV1.createLinkedPair(),
  },
  {
    name: 'v2',
    server: () => {
      const raw = new McpServerV2({ name: 'test-server', version: '1.2.3' });
      return {
        raw: raw as never,
        tool: (name, handler) => {
          raw.registerTool(name, { inputSchema } as never, handler as never);
        },
      };
    },
    client: () => wrap(new ClientV2({ name: 'test-client', version: '4.5.6' }) as never, false),
    link: () => MemoryV2.createLinkedPair(),
  },
];

interface RawClient {
  connect(transport: unknown): Promise<void>;
  close(): Promise<void>;
  callTool(params: unknown, ...rest: unknown[]): Promise<Result>;
  listTools(): Promise<{ tools: { name: string }[] }>;
}

/** v1 takes a result schema before the options. */
export function wrap(raw: RawClient, schemaFirst: boolean): TestClient {
  return {
    raw,
    connect: (transport) => raw.connect(transport),
    call: (name, args, options) =>
      schemaFirst
        ? raw.callTool({ name, arguments: args }, undefined, options)
        : raw.callTool({ name, arguments: args }, options),
    list: () => raw.listTools(),
    close: () => raw.close(),
  };
}

/** Resolves once `condition` holds; rejects after two seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
