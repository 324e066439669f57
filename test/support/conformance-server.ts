/**
 * What the server scenarios of the conformance suite ask for: one table of tools, one of resources, one of prompts,
 * on the plain `Server` of SDK v1, so that schemas go out as they stand here.
 *
 * `node conformance-server.ts stdio`, or `… http` (prints its URL; streamable HTTP with sessions and resumable
 * streams). METER=1 meters it with our SDK collector.
 */
import { randomUUID } from 'node:crypto';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  CompleteRequestSchema,
  type ContentBlock,
  CreateMessageResultSchema,
  type ElicitRequestFormParams,
  ElicitResultSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  type PromptMessage,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { serveHttp } from './conformance-http.ts';

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;
type Arguments = Record<string, string>;
type Run = (args: Arguments, extra: Extra) => CallToolResult | Promise<CallToolResult>;

/** One red pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
/** A header and no samples. */
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';

const text = (value: string): ContentBlock => ({ type: 'text', text: value });
const image: ContentBlock = { type: 'image', data: PNG, mimeType: 'image/png' };
const embedded = (uri: string, mimeType: string, value: string): ContentBlock => ({
  type: 'resource',
  resource: { uri, mimeType, text: value },
});
const gives =
  (...content: ContentBlock[]): Run =>
  () => ({ content });
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const NOTHING = { type: 'object' as const, properties: {} };
const needs = (name: string): object => ({
  type: 'object',
  properties: { [name]: { type: 'string' } },
  required: [name],
});

const elicits =
  (label: string, requestedSchema: ElicitRequestFormParams['requestedSchema'], fixed?: string): Run =>
  async (args, extra) => {
    const params = { mode: 'form' as const, message: fixed ?? (args.message as string), requestedSchema };
    const answer = await extra.sendRequest({ method: 'elicitation/create', params }, ElicitResultSchema);
    return {
      content: [text(`${label}: action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`)],
    };
  };

const TOOLS: Record<string, { inputSchema?: object; run: Run }> = {
  test_simple_text: { run: gives(text('This is a simple text response for testing.')) },
  test_image_content: { run: gives(image) },
  test_audio_content: { run: gives({ type: 'audio', data: WAV, mimeType: 'audio/wav' }) },
  test_embedded_resource: {
    run: gives(embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')),
  },
  test_multiple_content_types: {
    run: gives(
      text('Multiple content types test:'),
      image,
      embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ),
  },
  test_tool_with_logging: {
    run: async (_args, extra) => {
      for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
        await pause(50);
      }
      return { content: [text('Logged three times.')] };
    },
  },
  test_error_handling: {
    run: () => ({ isError: true, content: [text('This tool intentionally returns an error for testing')] }),
  },
  test_tool_with_progress: {
    run: async (_args, extra) => {
      const progressToken = extra._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          const params = { progressToken, progress, total: 100 };
          await extra.sendNotification({ method: 'notifications/progress', params });
        }
        await pause(50);
      }
      return { content: [text(String(progressToken ?? 'no token'))] };
    },
  },
  test_sampling: {
    inputSchema: needs('prompt'),
    run: async ({ prompt }, extra) => {
      const messages = [
        { role: 'user' as const, content: { type: 'text' as const, text: prompt as string } },
      ];
      const answer = await extra.sendRequest(
        { method: 'sampling/createMessage', params: { messages, maxTokens: 100 } },
        CreateMessageResultSchema,
      );
      const { content } = answer;
      return { content: [text(`LLM response: ${content.type === 'text' ? content.text : content.type}`)] };
    },
  },
  test_elicitation: {
    inputSchema: needs('message'),
    run: elicits('User response', {
      type: 'object',
      properties: {
        username: { type: 'string', description: "User's response" },
        email: { type: 'string', description: "User's email address" },
      },
      required: ['username', 'email'],
    }),
  },
  test_elicitation_sep1034_defaults: {
    run: elicits(
      'Elicitation completed',
      {
        type: 'object',
        properties: {
          name: { type: 'string', default: 'John Doe' },
          age: { type: 'integer', default: 30 },
          score: { type: 'number', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', default: true },
        },
      },
      'Please confirm the defaults',
    ),
  },
  test_elicitation_sep1330_enums: {
    run: elicits(
      'Elicitation completed',
      {
        type: 'object',
        properties: {
          untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
          titledSingle: {
            type: 'string',
            oneOf: [1, 2, 3].map((n) => ({ const: `value${n}`, title: `Option number ${n}` })),
          },
          legacyEnum: {
            type: 'string',
            enum: ['opt1', 'opt2', 'opt3'],
            enumNames: ['Option One', 'Option Two', 'Option Three'],
          },
          untitledMulti: {
            type: 'array',
            items: { type: 'string', enum: ['option1', 'option2', 'option3'] },
          },
          titledMulti: {
            type: 'array',
            items: { anyOf: [1, 2, 3].map((n) => ({ const: `value${n}`, title: `Choice number ${n}` })) },
          },
        },
      },
      'Please choose',
    ),
  },
  json_schema_2020_12_tool: {
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } },
      },
      properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
      additionalProperties: false,
    },
    run: gives(text('valid')),
  },
  test_reconnection: {
    run: async (_args, extra) => {
      extra.closeSSEStream?.();
      await pause(100);
      return { content: [text('Answered after the stream was closed.')] };
    },
  },
};

const TEXT_URI = 'test://static-text';
const BINARY_URI = 'test://static-binary';
const WATCHED_URI = 'test://watched-resource';
const TEMPLATE = 'test://template/{id}/data';

const RESOURCES = [
  { uri: TEXT_URI, name: 'text', description: 'A text', mimeType: 'text/plain' },
  { uri: BINARY_URI, name: 'binary', description: 'A picture', mimeType: 'image/png' },
  { uri: WATCHED_URI, name: 'watched', description: 'To subscribe to', mimeType: 'text/plain' },
];

function read(uri: string): { uri: string; mimeType: string; text?: string; blob?: string } | undefined {
  if (uri === TEXT_URI)
    return { uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' };
  if (uri === BINARY_URI) return { uri, mimeType: 'image/png', blob: PNG };
  if (uri === WATCHED_URI) return { uri, mimeType: 'text/plain', text: 'Watched.' };
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id === undefined) return undefined;
  const data = { id, templateTest: true, data: `Data for ID: ${id}` };
  return { uri, mimeType: 'application/json', text: JSON.stringify(data) };
}

const user = (content: ContentBlock): PromptMessage => ({ role: 'user', content });

const PROMPTS: Record<string, { needs?: string[]; messages: (args: Arguments) => PromptMessage[] }> = {
  test_simple_prompt: { messages: () => [user(text('This is a simple prompt for testing.'))] },
  test_prompt_with_arguments: {
    needs: ['arg1', 'arg2'],
    messages: ({ arg1, arg2 }) => [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  },
  test_prompt_with_embedded_resource: {
    needs: ['resourceUri'],
    messages: ({ resourceUri }) => [
      user(embedded(resourceUri as string, 'text/plain', 'Embedded resource content for testing.')),
      user(text('Please process the embedded resource above.')),
    ],
  },
  test_prompt_with_image: { messages: () => [user(image), user(text('Please analyze the image above.'))] },
};

export function conformanceServer(): Server {
  const server = new Server(
    { name: 'conformance-server', version: '1.0.0' },
    {
      capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {}, logging: {} },
    },
  );
  const subscribed = new Set<string>();
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: Object.entries(TOOLS).map(([name, { inputSchema = NOTHING }]) => ({
      name,
      description: `The suite's ${name}`,
      inputSchema: inputSchema as typeof NOTHING,
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
    const found = TOOLS[params.name];
    if (found === undefined) throw new McpError(-32602, `Unknown tool: ${params.name}`);
    return found.run((params.arguments ?? {}) as Arguments, extra);
  });
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: RESOURCES }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: TEMPLATE, name: 'template', description: 'Data by id' }],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const content = read(uri);
    if (content === undefined) throw new McpError(-32002, 'Resource not found', { uri });
    return { contents: [content as { uri: string; text: string }] };
  });
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: Object.entries(PROMPTS).map(([name, prompt]) => ({
      name,
      description: `The suite's ${name}`,
      arguments: (prompt.needs ?? []).map((argument) => ({
        name: argument,
        description: argument,
        required: true,
      })),
    })),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
    const found = PROMPTS[params.name];
    if (found === undefined) throw new McpError(-32602, `Unknown prompt: ${params.name}`);
    return { messages: found.messages(params.arguments ?? {}) };
  });
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => {
    const values = ['paris', 'park', 'party'].filter((value) => value.startsWith(params.argument.value));
    return { completion: { values, total: values.length, hasMore: false } };
  });
  server.setRequestHandler(SetLevelRequestSchema, () => ({}));
  return server;
}

async function connect(transport: Transport): Promise<void> {
  const server = conformanceServer();
  if (process.env.METER === '1') {
    const { meter } = await import('../../collectors/sdk/index.ts');
    meter(server);
  }
  await server.connect(transport);
}

if (import.meta.main) {
  if (process.argv[2] === 'stdio') await connect(new StdioServerTransport());
  else console.log(await serveHttp(connect, randomUUID));
}
