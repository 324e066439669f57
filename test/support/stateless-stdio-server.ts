/** A server of SDK v2 over stdio that speaks both eras, and asks its client for input. */
import { inputRequired, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

serveStdio(() => {
  const server = new McpServer(
    { name: 'two-eras', version: '1.2.3' },
    { capabilities: { tools: {}, resources: {}, prompts: {} } },
  );
  server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }));
  server.registerTool('fail', {}, () => {
    throw new Error('as asked');
  });
  server.registerTool('ask', { inputSchema: z.object({ question: z.string() }) }, ({ question }, context) => {
    const answers = context.mcpReq.inputResponses;
    if (answers === undefined) {
      const requestedSchema = z.object({ answer: z.string() });
      return inputRequired({
        inputRequests: { answer: inputRequired.elicit({ message: question, requestedSchema }) },
      });
    }
    return { content: [{ type: 'text', text: JSON.stringify(answers) }] };
  });
  server.registerResource('note', 'note://1', { mimeType: 'text/plain' }, (uri) => ({
    contents: [{ uri: uri.href, text: 'a note' }],
  }));
  server.registerPrompt('greet', { argsSchema: z.object({ who: z.string() }) }, ({ who }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Greet ${who}.` } }],
  }));
  return server;
});
