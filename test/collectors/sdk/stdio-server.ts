/** A metered server on stdio, for the tests: `node stdio-server.ts v1|v2`. Uses the process's shared outbox. */

import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { McpServer as McpServerV2 } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';
import { meter, tag } from '../../../collectors/sdk/index.ts';

const inputSchema = z.object({ text: z.string() });
const echo = async ({ text }: { text: string }) => {
  tag('length', String(text.length));
  return { content: [{ type: 'text' as const, text }] };
};

if (process.argv[2] === 'v1') {
  const server = meter(new McpServerV1({ name: 'stdio-v1', version: '1' }));
  server.registerTool('echo', { inputSchema: inputSchema.shape as never }, echo as never);
  await server.connect(new StdioServerTransport());
} else {
  serveStdio(
    meter(() => {
      const server = new McpServerV2({ name: 'stdio-v2', version: '2' });
      server.registerTool('echo', { inputSchema }, echo);
      return server;
    }),
  );
}
